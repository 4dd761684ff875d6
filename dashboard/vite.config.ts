// How the page is built. The output is embedded into the program by crates/api/build.rs, which brings its own --outDir.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import vue from '@vitejs/plugin-vue'
import { defineConfig, type Plugin } from 'vite'

// The program serves these as they are; compressing once here is better and cheaper than compressing for every request. After everything is
// written, because Vite still changes scripts when other plugins have seen them.
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    writeBundle({ dir }, bundle) {
      for (const name of Object.keys(bundle)) {
        const file = join(dir!, name)
        const bytes = readFileSync(file)
        if (bytes.length < 1024 || !/\.(js|css|svg|html)$/.test(name)) continue
        writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }))
        writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }))
      }
    },
  }
}

// `npm run dev` talks to a program that runs already: POSTROOM_URL, or the demo's port.
const program = process.env.POSTROOM_URL ?? 'http://127.0.0.1:3000'

export default defineConfig({
  base: '/app/',
  plugins: [
    vue({ template: { compilerOptions: { isCustomElement: (tag) => tag === 'text-expander' } } }),
    compressed(),
  ],
  define: { __VUE_OPTIONS_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false' },
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false }, reportCompressedSize: false, cssCodeSplit: false,
    // What every screen needs is one file, not ten small ones: a proxy without HTTP/2 asks for six at a time.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'base', test: /node_modules\/(@?vue|vue-router|@tanstack)\/|src\/(api|state)\/|src\/parts\/(later|avatar)|createLucideIcon|preload-helper|plugin-vue/ }] } } },
  },
  server: { proxy: Object.fromEntries(['/api', '/auth', '/attachments', '/microsoft', '/app/mail-frame'].map((path) => [path, program])) },
})

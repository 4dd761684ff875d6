// Puts the page together.
import { MutationCache, QueryCache, QueryClient, VueQueryPlugin } from '@tanstack/vue-query'
import { createApp } from 'vue'
import App from './app.vue'
import './app.css'
import { Refusal, whenSignedOut } from './api/client'
import { router } from './router'
import { heard } from './state/network'
import { applyTheme } from './state/theme'

applyTheme()

const queries = new QueryClient({
  queryCache: new QueryCache({ onError: heard, onSuccess: () => heard(null) }),
  mutationCache: new MutationCache({ onError: heard, onSuccess: () => heard(null) }),
  defaultOptions: {
    // What changes is told by the stream of events; asking again by ourselves is the net under it.
    queries: { staleTime: 30_000, retry: (times, error) => error instanceof Refusal && error.passes && times < 3 },
    mutations: { retry: false },
  },
})

whenSignedOut(() => {
  const at = router.currentRoute.value
  if (at.meta.open) return
  queries.clear()
  void router.replace({ name: 'sign-in', query: at.fullPath === '/' ? {} : { next: at.fullPath } })
})

// A file that is dropped beside an editor would take the page's place, and what is being written with it.
for (const kind of ['dragover', 'drop'] as const) {
  addEventListener(kind, (event) => {
    if (event.defaultPrevented || !event.dataTransfer?.types.includes('Files')) return
    event.preventDefault()
    event.dataTransfer.dropEffect = 'none'
  })
}

createApp(App).use(router).use(VueQueryPlugin, { queryClient: queries }).mount('#app')

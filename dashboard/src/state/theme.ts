// Light, dark, or as the computer has it. Kept on this device.
import { ref } from 'vue'

export type Theme = 'system' | 'light' | 'dark'
const KEY = 'postroom.theme'
export const theme = ref<Theme>((localStorage.getItem(KEY) as Theme | null) ?? 'system')

export function applyTheme() {
  if (theme.value === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme.value
}

export function chooseTheme(chosen: Theme) {
  theme.value = chosen
  localStorage.setItem(KEY, chosen)
  applyTheme()
}

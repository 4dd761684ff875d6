// Whether the server can be reached: heard from answers, from the browser, and from the stream of events.
import { computed, ref } from 'vue'
import { Refusal } from '../api/client'

const browserOffline = ref(!navigator.onLine)
const unanswered = ref(false)
/** The stream of events: `none` until there is one. */
export const stream = ref<'none' | 'connecting' | 'open' | 'lost'>('none')

addEventListener('online', () => (browserOffline.value = false))
addEventListener('offline', () => (browserOffline.value = true))

/** Every query and change ends here: an error, or null for an answer. */
export function heard(error: unknown) {
  if (error === null) unanswered.value = false
  else if (error instanceof Refusal) unanswered.value = error.status === 0 || error.status === 502 || error.status === 503 || error.status === 504
}

export const trouble = computed(() => {
  if (browserOffline.value) return 'You are offline. What you write is kept on this device.'
  if (unanswered.value || stream.value === 'lost') return 'The server cannot be reached. Trying again…'
  return ''
})

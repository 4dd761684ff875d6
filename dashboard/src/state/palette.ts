// Which of the sheets over the page is open.
import { ref } from 'vue'
export const palette = ref<'none' | 'commands' | 'help'>('none')
/** A conversation that is begun, and with whom, where that is known. */
export const composing = ref<{ email: string; name: string } | null>(null)

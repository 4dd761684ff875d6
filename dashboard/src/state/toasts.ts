// Short words at the edge: what was done, with a way back where there is one.
import { reactive } from 'vue'

export interface Toast {
  id: number
  words: string
  bad: boolean
  action?: { words: string; run: () => void }
  /** Epoch milliseconds at which the way back ends. */
  until?: number
}
export const toasts = reactive<Toast[]>([])
let next = 1

export function toast(words: string, options: { bad?: boolean; action?: Toast['action']; seconds?: number; counts?: boolean } = {}): () => void {
  const id = next++
  const seconds = options.seconds ?? (options.bad ? 12 : options.action ? 8 : 4)
  toasts.push({ id, words, bad: options.bad ?? false, action: options.action, until: options.counts ? Date.now() + seconds * 1000 : undefined })
  if (toasts.length > 4) toasts.shift()
  const close = () => {
    const at = toasts.findIndex((one) => one.id === id)
    if (at >= 0) toasts.splice(at, 1)
  }
  setTimeout(close, seconds * 1000)
  return close
}

// Which conversations of the list are chosen, to do the same to all of them.
import { reactive } from 'vue'

/** What the server takes at once. */
export const MOST_AT_ONCE = 100
export const selection = reactive(new Set<number>())

export function toggle(id: number) {
  if (!selection.delete(id) && selection.size < MOST_AT_ONCE) selection.add(id)
}

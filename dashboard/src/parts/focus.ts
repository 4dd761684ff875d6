// Where focus goes when what it would go back to after a dialog is gone.
import { nextTick } from 'vue'

/** After the dialog has given focus back by itself, in vain. */
export async function focusAfterSheet(wanted: () => HTMLElement | null | undefined) {
  await nextTick()
  setTimeout(() => wanted()?.focus())
}

// Puts a text where it can be pasted from, and says so.
import { toast } from '../state/toasts'

/** `shown`: where it stands on the page, for a browser that lets no page write to the clipboard. */
export async function copied(text: string, shown?: Node | null) {
  try {
    await navigator.clipboard.writeText(text)
    toast('Copied.')
  } catch {
    if (shown) getSelection()?.selectAllChildren(shown)
    toast(`Your browser does not let this page copy. ${shown ? 'It is marked now: copy it with your keyboard.' : 'Choose the text and copy it by hand.'}`, { bad: true })
  }
}

// What one is told on this device while a page of ours is open somewhere on it. Without such a page nothing is shown: nothing is pushed.
import type { components } from '../api/schema'

type Told = components['schemas']['Notification']

export type Allowed = 'yes' | 'no' | 'never'
/** Asks the browser, which asks the person unless they have answered. `never`: it cannot show any. */
export async function allow(): Promise<Allowed> {
  if (!('Notification' in window)) return 'never'
  return (await Notification.requestPermission()) === 'granted' ? 'yes' : 'no'
}

/** `wanted`: the flags as they are kept. `open`: goes to a conversation. Whoever is looking at the page has the bell. */
export async function show(told: Told, wanted: () => Promise<readonly string[]>, open: (conversation: number) => void) {
  if (!('Notification' in window) || Notification.permission !== 'granted' || document.hasFocus()) return
  if (!(await wanted()).includes(`push_${told.notification_type}`)) return
  // With the same tag the second takes the place of the first: two pages of the same person show one.
  const shown = new Notification(told.push_message_title, { body: told.push_message_body.slice(0, 200), tag: `postroom.${told.id}` })
  shown.onclick = () => {
    window.focus()
    open(Number((told.primary_actor as { id?: number }).id))
    shown.close()
  }
}

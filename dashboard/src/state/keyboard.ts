// Keys that do something wherever one is, and the list of them for the help sheet and the palette.
import { onScopeDispose, shallowReactive } from 'vue'

export interface Command {
  id: string
  words: string
  group: string
  /** As `KeyboardEvent.key`, with `Shift+` before letters and names; two with a blank between are pressed one after the other. `mod+k`: Ctrl or Command. */
  keys?: string[]
  run: () => void
  /** False: not now. */
  when?: () => boolean
}
export const commands = shallowReactive(new Map<string, Command>())

export function useCommands(list: Command[]) {
  for (const command of list) commands.set(command.id, command)
  onScopeDispose(() => {
    for (const command of list) if (commands.get(command.id) === command) commands.delete(command.id)
  })
}

let before = ''
let beforeAt = 0

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || target.matches('input:not([type=checkbox], [type=radio], [type=button]), textarea, select'))

function pressed(event: KeyboardEvent) {
  if (event.defaultPrevented || event.isComposing) return
  const mod = event.ctrlKey || event.metaKey
  if (event.altKey || (isTyping(event.target) && !mod)) return
  // A menu or dialog has its own keys.
  if (!mod && (event.target as HTMLElement | null)?.closest?.('[role=dialog], [role=listbox], [role=menu]')) return
  // A sign that needs Shift is named by itself: `?`.
  const shift = event.shiftKey && (event.key.length > 1 || /^[a-z]$/i.test(event.key))
  const key = `${mod ? 'mod+' : ''}${shift ? 'Shift+' : ''}${event.key.length === 1 ? event.key.toLowerCase() : event.key}`
  if (event.key === 'Shift') return
  const pair = event.timeStamp - beforeAt < 900 ? `${before} ${key}` : ''
  const fits = (name: string) => [...commands.values()].find((command) => command.keys?.includes(name) && command.when?.() !== false)
  const command = (pair && fits(pair)) || fits(key)
  before = key
  beforeAt = event.timeStamp
  if (!command) return
  before = ''
  event.preventDefault()
  command.run()
}
addEventListener('keydown', pressed)

const isMac = /Mac|iPhone|iPad/.test(navigator.platform)
export const shown = (key: string) =>
  key
    .split(' ')
    .map((part) => part.replace('mod+', isMac ? '⌘' : 'Ctrl ').replace('Shift+', 'Shift ').replace('Enter', '↵').replace('Escape', 'Esc').replace('ArrowDown', '↓').replace('ArrowUp', '↑'))
    .map((part) => (part.length === 1 ? part.toUpperCase() : part.replace(/( |⌘)([a-z])$/, (_, gap: string, letter: string) => gap + letter.toUpperCase())))
    .join(' then ')

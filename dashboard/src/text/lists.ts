// Enter inside a Markdown list goes on with the list, and in an empty item ends it.
export interface Edited {
  text: string
  at: number
}
const ITEM = /^(\s*)([-*+]|(\d{1,4})([.)])|>)(\s+)(.*)$/

/** `null`: an ordinary line break. */
export function continued(text: string, at: number): Edited | null {
  const start = text.lastIndexOf('\n', at - 1) + 1
  const found = ITEM.exec(text.slice(start, at))
  if (!found) return null
  const [, indent, mark, number, dot, gap, words] = found
  const rest = text.slice(at)
  if (!words!.trim()) return { text: text.slice(0, start) + rest, at: start }
  const next = `\n${indent}${number ? `${Number(number) + 1}${dot}` : mark}${gap}`
  return { text: text.slice(0, at) + next + rest, at: at + next.length }
}

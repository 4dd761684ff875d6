// Bold, lists and the like in a textarea: put around what is chosen, or before its lines, and taken away by the same again. Undo works, because the
// browser's own editing is used.
export type Format = 'bold' | 'italic' | 'code' | 'link' | 'list' | 'numbers' | 'quote'

export interface Change {
  from: number
  to: number
  text: string
  /** What is chosen afterwards. */
  start: number
  end: number
}
const AROUND: Partial<Record<Format, string>> = { bold: '**', italic: '_', code: '`' }
const BEFORE: Partial<Record<Format, (n: number) => string>> = { list: () => '- ', numbers: (n) => `${n + 1}. `, quote: () => '> ' }
const ANY_MARK = /^(- |\d+\. |> )/

export function changeFor(text: string, start: number, end: number, kind: Format): Change {
  const chosen = text.slice(start, end)
  const mark = AROUND[kind]
  if (mark) {
    const n = mark.length
    if (text.slice(start - n, start) === mark && text.slice(end, end + n) === mark) return { from: start - n, to: end + n, text: chosen, start: start - n, end: end - n }
    return { from: start, to: end, text: mark + chosen + mark, start: start + n, end: end + n }
  }
  if (kind === 'link') {
    if (/^https?:\/\/\S+$/.test(chosen)) return { from: start, to: end, text: `[](${chosen})`, start: start + 1, end: start + 1 }
    const at = start + chosen.length + 3
    return { from: start, to: end, text: `[${chosen}](https://)`, start: chosen ? at : start + 1, end: chosen ? at + 8 : start + 1 }
  }
  const from = text.lastIndexOf('\n', start - 1) + 1
  const stop = text.indexOf('\n', end)
  const to = stop < 0 ? text.length : stop
  const lines = text.slice(from, to).split('\n')
  const before = BEFORE[kind]!
  const isOn = lines.every((line, index) => line.startsWith(before(index)))
  const next = lines.map((line, index) => (isOn ? line.slice(before(index).length) : before(index) + line.replace(ANY_MARK, ''))).join('\n')
  return { from, to, text: next, start: lines.length > 1 ? from : from + next.length, end: from + next.length }
}

export function format(area: HTMLTextAreaElement, kind: Format) {
  const change = changeFor(area.value, area.selectionStart, area.selectionEnd, kind)
  area.focus()
  area.setSelectionRange(change.from, change.to)
  // Deprecated, and the only way that the browser's undo knows about; the event `input` follows by itself.
  if (!document.execCommand(change.text ? 'insertText' : 'delete', false, change.text)) {
    area.setRangeText(change.text)
    area.dispatchEvent(new InputEvent('input', { bubbles: true }))
  }
  area.setSelectionRange(change.start, change.end)
}

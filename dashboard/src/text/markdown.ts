// The Markdown that agents write, as virtual nodes: text can never become markup. A small part of the language, the part the editor makes;
// the server renders what is sent, with a whole parser.
import { h, type VNode } from 'vue'

type Piece = VNode | string

const INLINE =
  /(`+)([^`]+?)\1|\*\*([^*]+?)\*\*|__([^_]+?)__|\*([^*\s][^*]*?)\*|(?<![\w])_([^_\s][^_]*?)_(?![\w])|~~([^~]+?)~~|\[([^\]]+?)\]\(([^()\s]+)\)|(https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]])/

/** Only what a person may safely follow; a mention leads nowhere and is shown as a name. */
function link(words: Piece[], address: string): Piece {
  if (address.startsWith('mention://')) return h('span', { class: 'mention' }, words)
  if (!/^(https?:|mailto:|tel:)/i.test(address)) return h('span', words)
  return h('a', { href: address, target: '_blank', rel: 'noopener noreferrer' }, words)
}

export function inline(text: string): Piece[] {
  const pieces: Piece[] = []
  let rest = text
  for (let found = INLINE.exec(rest); found; found = INLINE.exec(rest)) {
    if (found.index > 0) pieces.push(rest.slice(0, found.index))
    const [all, , code, strong, strong2, em, em2, struck, words, address, bare] = found
    if (code !== undefined) pieces.push(h('code', code))
    else if (strong ?? strong2) pieces.push(h('strong', inline((strong ?? strong2)!)))
    else if (em ?? em2) pieces.push(h('em', inline((em ?? em2)!)))
    else if (struck) pieces.push(h('s', inline(struck)))
    else if (address) pieces.push(link(inline(words!), address))
    else if (bare) pieces.push(link([bare], bare))
    rest = rest.slice(found.index + all.length)
  }
  if (rest) pieces.push(rest)
  return pieces
}

const BULLET = /^\s{0,3}[-*+]\s+(.*)$/
const NUMBER = /^\s{0,3}(\d{1,9})[.)]\s+(.*)$/
const HEADING = /^(#{1,6})\s+(.*)$/
const QUOTE = /^\s{0,3}>\s?(.*)$/
const starts = (line: string) => BULLET.test(line) || NUMBER.test(line) || HEADING.test(line) || QUOTE.test(line) || line.startsWith('```')

export function markdown(text: string, depth = 0): VNode[] {
  const lines = text.replace(/\r\n?/g, '\n').split('\n')
  const blocks: VNode[] = []
  const take = (pattern: RegExp, group: number) => {
    const taken: string[] = []
    for (let found; at < lines.length && (found = pattern.exec(lines[at]!)); at++) taken.push(found[group]!)
    return taken
  }
  let at = 0
  while (at < lines.length) {
    const line = lines[at]!
    const heading = HEADING.exec(line)
    const number = NUMBER.exec(line)
    if (!line.trim()) at++
    else if (line.startsWith('```')) {
      const end = lines.findIndex((other, index) => index > at && other.startsWith('```'))
      const upTo = end < 0 ? lines.length : end
      blocks.push(h('pre', h('code', lines.slice(at + 1, upTo).join('\n'))))
      at = upTo + 1
    } else if (heading) {
      blocks.push(h('p', { class: 'heading' }, inline(heading[2]!)))
      at++
    } else if (BULLET.test(line)) blocks.push(h('ul', take(BULLET, 1).map((item) => h('li', inline(item)))))
    else if (number) blocks.push(h('ol', { start: Number(number[1]) }, take(NUMBER, 2).map((item) => h('li', inline(item)))))
    else if (QUOTE.test(line)) {
      const inner = take(QUOTE, 1).join('\n')
      blocks.push(h('blockquote', depth < 5 ? markdown(inner, depth + 1) : inner))
    } else {
      const words: Piece[] = []
      do {
        if (words.length > 0) words.push(h('br'))
        words.push(...inline(lines[at]!))
        at++
      } while (at < lines.length && lines[at]!.trim() && !starts(lines[at]!))
      blocks.push(h('p', words))
    }
  }
  return blocks
}

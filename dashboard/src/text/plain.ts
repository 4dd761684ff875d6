// What somebody wrote, in one line: the marks of Markdown say nothing there.
export function oneLine(text: string): string {
  return text.slice(0, 400).replace(/\[([^\]]+)\]\([^)\s]+\)/g, '$1').replace(/[*_`~]{1,3}(?=\S)|(?<=\S)[*_`~]{1,3}|^\s*(?:#+|>|[-*]|\d+\.)\s+/gm, '').replace(/\s+/g, ' ').trim()
}

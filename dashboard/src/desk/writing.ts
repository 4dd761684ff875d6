// What helps while one writes, loaded when somebody begins to: `/` and `@`, and pasted tables and links as Markdown.
import '@github/text-expander-element'
import { subscribe } from '@github/paste-markdown'
import { suggest, type Around } from './suggest'

export function helped(area: HTMLTextAreaElement, expander: HTMLElement, around: Around): () => void {
  const { unsubscribe } = subscribe(area)
  suggest(expander, around)
  return unsubscribe
}

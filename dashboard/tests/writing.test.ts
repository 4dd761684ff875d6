// What the editor does to a text, and how what was written is shown.
import { describe, expect, it } from 'vitest'
import type { VNode } from 'vue'
import { filled, matching } from '../src/desk/suggest'
import { changeFor, type Format } from '../src/text/format'
import { continued } from '../src/text/lists'
import { markdown } from '../src/text/markdown'

function edited(marked: string, kind: Format): string {
  const start = marked.indexOf('[')
  const end = marked.indexOf(']') - 1
  const text = marked.replace('[', '').replace(']', '')
  const change = changeFor(text, start, end, kind)
  const next = text.slice(0, change.from) + change.text + text.slice(change.to)
  return `${next.slice(0, change.start)}[${next.slice(change.start, change.end)}]${next.slice(change.end)}`
}
describe('formatting', () => {
  it('goes around what is chosen, and away again', () => {
    expect(edited('so [very] good', 'bold')).toBe('so **[very]** good')
    expect(edited('so **[very]** good', 'bold')).toBe('so [very] good')
    expect(edited('a []', 'italic')).toBe('a _[]_')
  })
  it('stands before every line, one kind at a time', () => {
    expect(edited('[one\ntwo]', 'list')).toBe('[- one\n- two]')
    expect(edited('[- one\n- two]', 'numbers')).toBe('[1. one\n2. two]')
    expect(edited('[1. one\n2. two]', 'numbers')).toBe('[one\ntwo]')
    expect(edited('above\nhe[]re', 'quote')).toBe('above\n> here[]')
  })
})
it('Enter goes on with a list, and ends it in an empty item', () => {
  expect(continued('- one', 5)).toEqual({ text: '- one\n- ', at: 8 })
  expect(continued('9. nine\nrest', 7)).toEqual({ text: '9. nine\n10. \nrest', at: 12 })
  expect(continued('- one\n- ', 8)).toEqual({ text: '- one\n', at: 6 })
  expect(continued('no list', 7)).toBeNull()
})
it('a canned response knows the contact, and leaves what it does not know', () => {
  expect(filled('Dear {{contact.first_name}}, {{ agent.name }} {{unknown.thing}}', { name: 'Ada Lovelace' }, { name: 'Bob', email: 'b@x.example' })).toBe('Dear Ada, Bob {{unknown.thing}}')
})
it('canned responses are found by what begins, then by what holds, then by what says it', () => {
  const one = (short_code: string, content: string) => ({ short_code, content }) as Parameters<typeof matching>[0][number]
  const all = [one('a-thanks', ''), one('bye', 'Thanks and goodbye'), one('Thanks', ''), one('thanks-late', ''), one('welcome', 'Hello')]
  const found = (text: string) => matching(all, text).map((one) => one.short_code)
  expect(found('thanks')).toEqual(['Thanks', 'thanks-late', 'a-thanks', 'bye'])
  expect(found('')).toEqual(['a-thanks', 'bye', 'Thanks', 'thanks-late', 'welcome'])
  expect(found('nothing')).toEqual([])
})

type Shown = string | [string, ...Shown[]]
const shown = (node: VNode | string): Shown => (typeof node === 'string' ? node : [String(node.type) + (node.props?.href ? `(${node.props.href as string})` : ''), ...[node.children ?? []].flat().map((one) => shown(one as VNode))])
const of = (text: string) => JSON.stringify(markdown(text).map(shown))
describe('markdown', () => {
  it('shows what agents write', () => {
    expect(of('Hi **Ada**,\nsee `x` and https://a.example/b.')).toBe('[["p","Hi ",["strong","Ada"],",",["br"],"see ",["code","x"]," and ",["a(https://a.example/b)","https://a.example/b"],"."]]')
    expect(of('1. a\n2. b\n\n> q')).toBe('[["ol",["li","a"],["li","b"]],["blockquote",["p","q"]]]')
    expect(of('snake_case_name stays')).toBe('[["p","snake_case_name stays"]]')
  })
  it('never makes a link that runs, and never markup', () => {
    expect(of('[x](javascript:alert(1))')).not.toContain('a(')
    expect(of('<script>alert(1)</script>')).toBe('[["p","<script>alert(1)</script>"]]')
    expect(of('[@Bob](mention://user/2/Bob)')).toBe('[["p",["span","@Bob"]]]')
  })
})

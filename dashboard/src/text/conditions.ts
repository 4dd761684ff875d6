// What a view can ask of conversations: which operators mean something for a field, and which values it has.
import type { FilterCondition } from '../api/types'

export type Operator = FilterCondition['filter_operator']
export type Key = 'status' | 'priority' | 'assignee_id' | 'inbox_id' | 'team_id' | 'labels' | 'mail_subject' | 'created_at' | 'last_activity_at'
export type Values = 'choices' | 'text' | 'day'
export const FIELDS: Record<Key, { words: string; values: Values; canBeAbsent: boolean }> = {
  status: { words: 'State', values: 'choices', canBeAbsent: false },
  assignee_id: { words: 'Assigned to', values: 'choices', canBeAbsent: true },
  inbox_id: { words: 'Inbox', values: 'choices', canBeAbsent: false },
  team_id: { words: 'Team', values: 'choices', canBeAbsent: true },
  labels: { words: 'Labels', values: 'choices', canBeAbsent: true },
  priority: { words: 'Priority', values: 'choices', canBeAbsent: true },
  mail_subject: { words: 'Subject', values: 'text', canBeAbsent: true },
  created_at: { words: 'Begun', values: 'day', canBeAbsent: false },
  last_activity_at: { words: 'Last activity', values: 'day', canBeAbsent: false },
}
const WORDS: Record<Operator, string> = {
  equal_to: 'is', not_equal_to: 'is not', contains: 'contains', does_not_contain: 'does not contain', is_present: 'is set', is_not_present: 'is not set',
  is_greater_than: 'after', is_less_than: 'before', days_before: 'days ago or longer',
}
const OPERATORS: Record<Values, Operator[]> = {
  choices: ['equal_to', 'not_equal_to'],
  text: ['contains', 'does_not_contain', 'equal_to', 'not_equal_to'],
  day: ['is_greater_than', 'is_less_than', 'days_before'],
}
export function operatorsOf(key: Key): { value: Operator; words: string }[] {
  const { values, canBeAbsent } = FIELDS[key]
  return [...OPERATORS[values], ...(canBeAbsent ? (['is_present', 'is_not_present'] as const) : [])].map((value) => ({ value, words: WORDS[value] }))
}
export const wantsValue = (operator: Operator) => operator !== 'is_present' && operator !== 'is_not_present'

/** One condition as it is put together on the page. */
export interface Line {
  key: Key
  operator: Operator
  values: string[]
}
export const newLine = (key: Key): Line => ({ key, operator: operatorsOf(key)[0]!.value, values: [] })

/** As the API takes them; `all`: every one must hold, else one is enough. */
export function conditionsFrom(lines: Line[], all: boolean): FilterCondition[] {
  return lines.map(({ key, operator, values }, at) => ({
    attribute_key: key,
    filter_operator: operator,
    values: wantsValue(operator) ? values.map((value) => (/_id$/.test(key) || operator === 'days_before' ? Number(value) : value)) : [],
    ...(at < lines.length - 1 ? { query_operator: all ? ('AND' as const) : ('OR' as const) } : {}),
  }))
}

/** `null`: another client made it, with what this page does not know. */
export function linesFrom(conditions: FilterCondition[]): { lines: Line[]; all: boolean } | null {
  const lines: Line[] = []
  for (const { attribute_key, filter_operator, values } of conditions) {
    const key = attribute_key as Key
    if (!(key in FIELDS) || !operatorsOf(key).some(({ value }) => value === filter_operator)) return null
    lines.push({ key, operator: filter_operator, values: (values ?? []).map(String) })
  }
  const joined = new Set(conditions.slice(0, -1).map(({ query_operator }) => (query_operator ?? 'AND').toUpperCase()))
  return joined.size > 1 ? null : { lines, all: !joined.has('OR') }
}

/** Whether everything that is asked for is said. */
export const isWhole = (lines: Line[]) => lines.length > 0 && lines.every(({ operator, values }) => !wantsValue(operator) || (values.length > 0 && values.every((value) => value.trim())))

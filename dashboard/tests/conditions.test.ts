// Saved views: what is put together on the page is what the API is asked for, and comes back as it was.
import { describe, expect, it } from 'vitest'
import type { FilterCondition } from '../src/api/types'
import { conditionsFrom, FIELDS, isWhole, linesFrom, newLine, operatorsOf, type Key, type Line } from '../src/text/conditions'

const line = (key: Key, operator: Line['operator'], ...values: string[]): Line => ({ key, operator, values })

describe('conditions', () => {
  it('are joined as one says, the last with nothing', () => {
    const asked = conditionsFrom([line('labels', 'equal_to', 'vip', 'late'), line('assignee_id', 'is_not_present', 'left over'), line('inbox_id', 'equal_to', '3')], false)
    expect(asked).toEqual([
      { attribute_key: 'labels', filter_operator: 'equal_to', values: ['vip', 'late'], query_operator: 'OR' },
      { attribute_key: 'assignee_id', filter_operator: 'is_not_present', values: [], query_operator: 'OR' },
      { attribute_key: 'inbox_id', filter_operator: 'equal_to', values: [3] },
    ])
  })
  it('come back as they were', () => {
    for (const all of [true, false]) {
      const lines = [line('status', 'equal_to', 'open'), line('last_activity_at', 'days_before', '7'), line('mail_subject', 'contains', 'invoice')]
      expect(linesFrom(conditionsFrom(lines, all))).toEqual({ lines, all })
    }
  })
  it('of another program are not taken for ours', () => {
    const foreign = (more: Partial<FilterCondition>) => [{ attribute_key: 'status', filter_operator: 'equal_to', values: ['open'], ...more } as FilterCondition]
    expect(linesFrom(foreign({ attribute_key: 'plan' }))).toBeNull()
    expect(linesFrom(foreign({ filter_operator: 'contains' }))).toBeNull()
    const [one, two, three] = [...foreign({ query_operator: 'AND' }), ...foreign({ query_operator: 'OR' }), ...foreign({})]
    expect(linesFrom([one!, two!, three!])).toBeNull()
  })
  it('are whole when each says what it asks for', () => {
    expect(isWhole([])).toBe(false)
    expect(isWhole([newLine('labels')])).toBe(false)
    expect(isWhole([line('mail_subject', 'contains', ' ')])).toBe(false)
    expect(isWhole([line('team_id', 'is_present'), line('status', 'equal_to', 'open')])).toBe(true)
  })
  it('have at least two operators each', () => {
    for (const key of Object.keys(FIELDS) as Key[]) expect(operatorsOf(key).length).toBeGreaterThan(1)
  })
})

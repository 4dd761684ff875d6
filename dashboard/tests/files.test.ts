// How much may go with one message: less by mail, where files grow, than in a note that stays.
import { ref } from 'vue'
import { expect, test } from 'vitest'
import { useFiles } from '../src/desk/files'

const file = (bytes: number) => ({ name: 'plan.pdf', size: bytes }) as File

test('files that no mail server takes are refused before they are sent, and may stand in a note', () => {
  const isNote = ref(false)
  const { add, problem } = useFiles(isNote)
  add([file(20_000_000)])
  expect(problem.value).toBe('')
  add([file(8_000_000)])
  expect(problem.value).toMatch(/at most 26 MB go with one mail/)
  isNote.value = true
  expect(problem.value).toBe('')
  add([file(12_000_000)])
  expect(problem.value).toMatch(/at most 39 MB stand in one note/)
})

test('more than fifteen files are too many, however small', () => {
  const { add, problem } = useFiles()
  add(Array.from({ length: 15 }, () => file(1)))
  expect(problem.value).toBe('')
  add([file(1)])
  expect(problem.value).toMatch(/At most 15 files/)
})

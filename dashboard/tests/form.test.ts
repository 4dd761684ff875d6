import { expect, test } from 'vitest'
import { nextTick, shallowRef } from 'vue'
import { useForm } from '../src/settings/form'

test('what the server has is shown, and never takes the place of what was typed', async () => {
  const known = shallowRef<{ id: number; name: string; labels: string[] }>()
  const form = useForm(known, { name: '', labels: [] as string[] }, ({ name, labels }) => ({ name, labels }))
  known.value = { id: 1, name: 'Contoso', labels: ['a'] }
  await nextTick()
  expect(form).toEqual({ name: 'Contoso', labels: ['a'] })
  form.name = 'Contoso C'
  known.value = { id: 1, name: 'Renamed elsewhere', labels: ['a', 'b'] }
  await nextTick()
  expect(form).toEqual({ name: 'Contoso C', labels: ['a', 'b'] })
  // What was saved is what is known, and follows again.
  known.value = { id: 1, name: 'Contoso C', labels: ['b'] }
  await nextTick()
  known.value = { id: 1, name: 'Contoso D', labels: [] }
  await nextTick()
  expect(form).toEqual({ name: 'Contoso D', labels: [] })
  form.name = 'Never saved'
  known.value = { id: 2, name: 'Another', labels: [] }
  await nextTick()
  expect(form).toEqual({ name: 'Another', labels: [] })
})

// What a form begins with is what the server has. When that changes meanwhile, it is shown, but never in the place of what somebody has typed.
import { reactive, watch, type Ref } from 'vue'

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

export function useForm<Known extends { id: number }, Form extends object>(known: Ref<Known | undefined>, empty: NoInfer<Form>, of: (known: Known) => Form): Form {
  const form = reactive({ ...empty }) as Form
  let id: number | null = null
  let before: Form = empty
  watch(known, (one) => {
    if (!one) return
    const now = of(one)
    // Of another one nothing was typed.
    for (const field of Object.keys(now) as (keyof Form)[]) if (one.id !== id || same(form[field], before[field])) form[field] = now[field]
    before = now
    id = one.id
  }, { immediate: true })
  return form
}

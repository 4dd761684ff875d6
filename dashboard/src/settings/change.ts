// A change on a settings page: done, said where it needs words, and everything of its kind asked for anew.
import { useQueryClient } from '@tanstack/vue-query'
import { ref } from 'vue'
import { wordsOf } from '../api/client'
import { useSession } from '../state/session'
import { toast } from '../state/toasts'

export function useChange(...kind: string[]) {
  const queries = useQueryClient()
  const { account } = useSession()
  const busy = ref(false)
  /** A refusal is said at the edge, unless whoever asks says it in a better place. */
  async function run(what: () => Promise<unknown>, said = '', refused: (error: unknown) => void = (error) => void toast(wordsOf(error), { bad: true })): Promise<boolean> {
    busy.value = true
    try {
      await what()
      if (said) toast(said)
      await queries.invalidateQueries({ queryKey: ['account', account.value, ...kind] })
      return true
    } catch (error) {
      refused(error)
      return false
    } finally {
      busy.value = false
    }
  }
  return { busy, run }
}

// Signing in with Microsoft: the person goes to Microsoft in another tab, and this page follows how far they have come.
import { useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed, ref, watch } from 'vue'
import { client, wordsOf } from '../api/client'
import type { Connection } from '../api/types'
import { useSession } from '../state/session'
import { toast } from '../state/toasts'

const UNDER_WAY: Connection['status'][] = ['pending', 'awaiting_confirmation', 'awaiting_address', 'awaiting_admin_consent', 'awaiting_handover', 'proving']

export function useConnecting() {
  const { account, path } = useSession()
  const queries = useQueryClient()
  const id = ref<number | null>(null)
  const url = ref('')
  const busy = ref(false)
  const { data } = useQuery({
    queryKey: computed(() => ['account', account.value, 'connection', id.value]),
    enabled: computed(() => id.value !== null),
    queryFn: () => client.GET('/api/v1/accounts/{account_id}/connections/{connection_id}', { params: { path: { ...path.value, connection_id: id.value! } } }),
    refetchInterval: (query) => (query.state.data && !UNDER_WAY.includes(query.state.data.status) ? false : 1500),
    // The person is in another tab while this one waits.
    refetchIntervalInBackground: true,
  })
  watch(data, (connection) => {
    if (connection?.status === 'connected') void queries.invalidateQueries({ queryKey: ['account', account.value, 'inboxes'] })
  })

  /** The tab is opened before anything is asked: a browser lets a click open one, not an answer. */
  async function start(body: { email?: string; inbox_id?: number }) {
    const tab = window.open('about:blank', '_blank')
    busy.value = true
    try {
      const started = await client.POST('/api/v1/accounts/{account_id}/microsoft/authorization', { params: { path: path.value }, body })
      id.value = started.connection_id
      url.value = started.url
      if (tab) {
        tab.opener = null
        tab.location.href = started.url
      }
    } catch (error) {
      tab?.close()
      toast(wordsOf(error), { bad: true })
    } finally {
      busy.value = false
    }
  }
  return { start, busy, connection: data, url, id, isUnderWay: computed(() => id.value !== null && (!data.value || UNDER_WAY.includes(data.value.status))) }
}

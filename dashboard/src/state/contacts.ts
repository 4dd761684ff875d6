// What a contact wrote, in whichever conversation.
import { useQuery } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'
import { client } from '../api/client'
import { useSession } from './session'

export function useTheirConversations(contact: Ref<number | null>) {
  const { account, path } = useSession()
  return useQuery({
    queryKey: computed(() => ['account', account.value, 'contact', contact.value, 'conversations']),
    enabled: computed(() => contact.value !== null),
    queryFn: async ({ signal }) =>
      (await client.GET('/api/v1/accounts/{account_id}/contacts/{contact_id}/conversations', { params: { path: { ...path.value, contact_id: contact.value! } }, signal })).payload,
  })
}
export const subjectOf = (one: { additional_attributes: Record<string, unknown> }) => String(one.additional_attributes.mail_subject ?? '') || '(no subject)'

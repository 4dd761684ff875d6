// Who is signed in, and in which account this page works.
import { useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { client } from '../api/client'

export const PROFILE = ['profile']
export const fetchProfile = () => client.GET('/api/v1/profile')

export function useProfile() {
  return useQuery({ queryKey: PROFILE, queryFn: fetchProfile, staleTime: 5 * 60_000 })
}

/** The account in the address, the person's place in it, and whether they may change its settings. */
export function useSession() {
  const route = useRoute()
  const profile = useProfile()
  // While one leaves for a page without an account, what still stands goes on with the last one.
  let last = 0
  const account = computed(() => (last = Number(route.params.account) || last))
  const place = computed(() => profile.data.value?.accounts.find((one) => one.id === account.value))
  return {
    profile: profile.data,
    failed: profile.error,
    account,
    place,
    isAdministrator: computed(() => place.value?.role === 'administrator'),
    /** The path parameter of every operation in an account. */
    path: computed(() => ({ account_id: account.value })),
  }
}

export function useSignOut() {
  const router = useRouter()
  const queries = useQueryClient()
  return async () => {
    await client.DELETE('/auth/sign_out').catch(() => {})
    await router.replace({ name: 'sign-in' })
    queries.clear()
  }
}

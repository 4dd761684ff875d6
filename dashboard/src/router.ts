// The addresses of the page. Only the conversation screen is loaded at once; everything else comes when somebody goes there.
import { createRouter, createWebHistory } from 'vue-router'
import Desk from './desk/desk.vue'

declare module 'vue-router' {
  interface RouteMeta {
    /** Needs nobody to be signed in. */
    open?: boolean
    title?: string
  }
}

export const router = createRouter({
  history: createWebHistory('/app/'),
  routes: [
    { path: '/', name: 'home', component: () => import('./pages/home.vue') },
    { path: '/sign-in', name: 'sign-in', component: () => import('./pages/sign-in.vue'), meta: { open: true, title: 'Sign in' } },
    { path: '/login', redirect: { name: 'sign-in' } },
    { path: '/password', name: 'password', component: () => import('./pages/password-forgotten.vue'), meta: { open: true, title: 'Forgotten password' } },
    { path: '/auth/password/edit', name: 'password-edit', component: () => import('./pages/password-set.vue'), meta: { open: true, title: 'Set a password' } },
    { path: '/accounts/:account(\\d+)/conversations/:conversation(\\d+)?', name: 'desk', component: Desk, meta: { title: 'Conversations' } },
    { path: '/accounts/:account(\\d+)/dashboard', redirect: (to) => ({ name: 'desk', params: { account: to.params.account! } }) },
    {
      path: '/accounts/:account(\\d+)/settings',
      name: 'settings',
      component: () => import('./settings/settings.vue'),
      redirect: (to) => ({ name: 'profile', params: to.params }),
      children: [
        { path: 'profile', name: 'profile', component: () => import('./settings/profile.vue'), meta: { title: 'Profile' } },
        { path: 'inboxes', name: 'inboxes', component: () => import('./settings/inboxes.vue'), meta: { title: 'Inboxes' } },
        { path: 'inboxes/connections/:connection(\\d+)', name: 'connection', component: () => import('./settings/connection-page.vue'), meta: { title: 'Connecting a mailbox' } },
        { path: 'inboxes/new', name: 'inbox-new', component: () => import('./settings/inbox-new.vue'), meta: { title: 'Connect a mailbox' } },
        { path: 'inboxes/:inbox(\\d+)', name: 'inbox', component: () => import('./settings/inbox.vue'), meta: { title: 'Inbox' } },
        { path: 'oauth-apps', name: 'apps', component: () => import('./settings/apps.vue'), meta: { title: 'OAuth apps' } },
        { path: 'oauth-apps/new', name: 'app-new', component: () => import('./settings/app-new.vue'), meta: { title: 'New OAuth app' } },
        { path: 'oauth-apps/:app(\\d+)', name: 'app', component: () => import('./settings/app.vue'), meta: { title: 'OAuth app' } },
        { path: 'connect-links', name: 'connect-links', component: () => import('./settings/connect-links.vue'), meta: { title: 'Connect links' } },
        { path: 'deliveries', name: 'deliveries', component: () => import('./settings/deliveries.vue'), meta: { title: 'Not delivered' } },
        { path: 'quarantine', name: 'quarantine', component: () => import('./settings/quarantine.vue'), meta: { title: 'Left out' } },
        { path: 'teams', name: 'teams', component: () => import('./settings/teams.vue'), meta: { title: 'Teams' } },
        { path: 'labels', name: 'labels', component: () => import('./settings/labels.vue'), meta: { title: 'Labels' } },
        { path: 'canned', name: 'canned', component: () => import('./settings/canned.vue'), meta: { title: 'Canned responses' } },
        { path: 'account', name: 'account', component: () => import('./settings/account.vue'), meta: { title: 'Account' } },
        { path: 'webhooks', name: 'webhooks', component: () => import('./settings/webhooks.vue'), meta: { title: 'Webhooks' } },
        { path: 'webhooks/:webhook(\\d+)', name: 'webhook', component: () => import('./settings/webhook.vue'), meta: { title: 'Webhook' } },
        { path: 'audit-log', name: 'audit', component: () => import('./settings/audit.vue'), meta: { title: 'Audit log' } },
        { path: 'agents', name: 'agents', component: () => import('./settings/agents.vue'), meta: { title: 'Agents' } },
      ],
    },
    { path: '/:rest(.*)*', name: 'nowhere', component: () => import('./pages/nowhere.vue'), meta: { open: true, title: 'Not found' } },
  ],
})

router.afterEach((to) => {
  document.title = to.meta.title ? `${to.meta.title} · Postroom` : 'Postroom'
})
// A newer program has other files: an old tab that cannot find a page's script starts anew, once.
router.onError((error, to) => {
  if (/import|module|preload/i.test(String(error)) && sessionStorage.getItem('postroom.reloaded') !== to.fullPath) {
    sessionStorage.setItem('postroom.reloaded', to.fullPath)
    location.assign(`/app${to.fullPath}`)
  }
})

// What there is to set, in the order of the menu.
export const PAGES: { name: string; words: string; administrators?: boolean }[] = [
  { name: 'profile', words: 'Profile' },
  { name: 'inboxes', words: 'Inboxes', administrators: true },
  { name: 'apps', words: 'OAuth apps', administrators: true },
  { name: 'connect-links', words: 'Connect links', administrators: true },
  { name: 'deliveries', words: 'Not delivered' },
  { name: 'quarantine', words: 'Left out', administrators: true },
  { name: 'agents', words: 'Agents' },
  { name: 'teams', words: 'Teams' },
  { name: 'labels', words: 'Labels' },
  { name: 'canned', words: 'Canned responses' },
  { name: 'webhooks', words: 'Webhooks', administrators: true },
  { name: 'account', words: 'Account', administrators: true },
  { name: 'audit', words: 'Audit log', administrators: true },
]

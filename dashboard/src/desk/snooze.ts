// When a snoozed conversation comes back: times people say, in their own time zone.
export function snoozeChoices(now = new Date()): { value: number; words: string; hint: string }[] {
  const at = (days: number, hour: number) => {
    const date = new Date(now)
    date.setDate(date.getDate() + days)
    date.setHours(hour, 0, 0, 0)
    return date
  }
  const untilMonday = (8 - now.getDay()) % 7 || 7
  const choices: [string, Date][] = [
    ['In one hour', new Date(now.getTime() + 3600_000)],
    ['In four hours', new Date(now.getTime() + 4 * 3600_000)],
    ['Tomorrow morning', at(1, 9)],
    ['In three days', at(3, 9)],
    ['Next Monday', at(untilMonday, 9)],
    ['In a month', at(30, 9)],
  ]
  const shown = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })
  return choices.map(([words, date]) => ({ value: Math.floor(date.getTime() / 1000), words, hint: shown.format(date) }))
}

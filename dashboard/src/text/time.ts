// Moments in words. The server speaks seconds since 1970; people speak of "5 min" and "Tuesday".
import { ref } from 'vue'

/** Now, in seconds, moving on every half minute: whatever shows an age reads this. */
export const now = ref(Math.floor(Date.now() / 1000))
setInterval(() => (now.value = Math.floor(Date.now() / 1000)), 30_000)

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' })
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const dayAndYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' })
const whole = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' })

/** In a list: the shorter, the nearer. */
export function age(seconds: number, at = now.value): string {
  const past = at - seconds
  if (past < 60) return 'now'
  if (past < 3600) return `${Math.floor(past / 60)} min`
  if (past < 24 * 3600) return `${Math.floor(past / 3600)} h`
  const date = new Date(seconds * 1000)
  if (past < 6 * 24 * 3600) return weekday.format(date)
  return date.getFullYear() === new Date(at * 1000).getFullYear() ? day.format(date) : dayAndYear.format(date)
}

/** Beside a mail: the time, and the day unless it is today. */
export function moment(seconds: number): string {
  const date = new Date(seconds * 1000)
  const today = new Date(now.value * 1000)
  if (date.toDateString() === today.toDateString()) return clock.format(date)
  return `${date.getFullYear() === today.getFullYear() ? day.format(date) : dayAndYear.format(date)}, ${clock.format(date)}`
}

export const onDay = (seconds: number) => dayAndYear.format(new Date(seconds * 1000))

export const exactly = (seconds: number) => whole.format(new Date(seconds * 1000))

/** Between two moments: "in 5 min", "3 h". */
export function lasting(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86400)} days`
}

export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}

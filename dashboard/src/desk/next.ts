// How a conversation that is done with finds the next one in the list.
import type { InjectionKey } from 'vue'
export const NEXT: InjectionKey<{ of: (id: number) => number | null; go: (id: number | null) => void }> = Symbol('next')

// Parts that are loaded when they are needed. Without the server they cannot be: it is tried again, and said.
import { defineAsyncComponent, type Component } from 'vue'
import { toast } from '../state/toasts'

export function later<T extends Component>(loader: () => Promise<{ default: T }>) {
  return defineAsyncComponent({
    loader: () => loader().then((module) => module.default),
    onError: (_error, retry, fail, attempts) => {
      if (attempts < 3) return void setTimeout(retry, attempts * 500)
      toast('This part of the page could not be loaded. Is the server there?', { bad: true })
      fail()
    },
  }) as T
}

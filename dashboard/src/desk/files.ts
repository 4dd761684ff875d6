// Files that are to go with a message: chosen, dropped or pasted, and not more than one message may have.
import { computed, ref } from 'vue'
import { size } from '../text/time'

const MOST_FILES = 15
const MOST_BYTES = 39_000_000

export function useFiles() {
  const files = ref<File[]>([])
  const isDropping = ref(false)
  const problem = computed(() => {
    if (files.value.length > MOST_FILES) return `At most ${MOST_FILES} files go with one message.`
    const bytes = files.value.reduce((sum, file) => sum + file.size, 0)
    return bytes > MOST_BYTES ? `The files are ${size(bytes)} together; at most 40 MB go with one message.` : ''
  })
  const add = (list: Iterable<File>) => void (files.value = [...files.value, ...list])
  /** For the element that files can be dropped on. */
  const target = {
    onDragover: (event: DragEvent) => {
      event.preventDefault()
      isDropping.value = true
    },
    onDragleave: (event: DragEvent) => void (event.target === event.currentTarget && (isDropping.value = false)),
    onDrop: (event: DragEvent) => {
      event.preventDefault()
      isDropping.value = false
      add(event.dataTransfer?.files ?? [])
    },
  }
  return { files, problem, isDropping, add, target }
}

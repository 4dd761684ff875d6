// Files that are to go with a message: chosen, dropped or pasted, and not more than one message may have.
import { computed, ref, type Ref } from 'vue'
import { size } from '../text/time'

const MOST_FILES = 15
/** What the API takes in one request, with room for everything else. */
const MOST_BYTES = 39_000_000
/** Of a mail, in which files grow by more than a third: mail servers take 35 MB with all of that. */
const MOST_BYTES_BY_MAIL = 26_500_000

/** `staysHere`: a note, which no mail server sees. */
export function useFiles(staysHere?: Ref<boolean>) {
  const files = ref<File[]>([])
  const isDropping = ref(false)
  const problem = computed(() => {
    if (files.value.length > MOST_FILES) return `At most ${MOST_FILES} files go with one message.`
    const bytes = files.value.reduce((sum, file) => sum + file.size, 0)
    if (staysHere?.value) return bytes > MOST_BYTES ? `The files are ${size(bytes)} together; at most 39 MB stand in one note.` : ''
    return bytes > MOST_BYTES_BY_MAIL ? `The files are ${size(bytes)} together; at most 26 MB go with one mail.` : ''
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

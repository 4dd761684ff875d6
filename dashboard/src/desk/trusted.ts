// Senders whose remote images are shown, until this tab is closed.
import { reactive } from 'vue'
export const trusted = reactive(new Set<string>())

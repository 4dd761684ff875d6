// Finds the history that a mail quotes, by the marks that mail programs leave. Where none is found nothing is folded: better too much than too little.
const MARKS = ['.gmail_quote', '.gmail_extra blockquote', 'blockquote[type="cite"]', '.yahoo_quoted', '.protonmail_quote', '.zmail_extra', '.moz-cite-prefix', '.OutlookMessageHeader']
const HEADER = /^\s*(From|Von|De|Da|Van|Från|Fra|Od|Lähettäjä)\s*:/i

/** The elements to hide. Empty where the mail would have nothing left to read. */
export function fold(body: HTMLElement): Element[] {
  const found = new Set<Element>(body.querySelectorAll(MARKS.join(',')))
  // Outlook draws a line above the header of what it quotes, and everything below it is the history.
  for (const rule of body.querySelectorAll<HTMLElement>('div[style*="border-top"]')) {
    if (!HEADER.test(rule.textContent ?? '')) continue
    let at: Element = rule
    while (at.parentElement && at.parentElement !== body && at.parentElement.firstElementChild === at) at = at.parentElement
    for (let next: Element | null = at; next; next = next.nextElementSibling) found.add(next)
  }
  const outer = [...found].filter((element) => ![...found].some((other) => other !== element && other.contains(element)))
  const length = (element: Element) => (element.textContent ?? '').trim().length
  const left = length(body) - outer.reduce((sum, element) => sum + length(element), 0)
  const images = [...body.querySelectorAll('img')].some((image) => !outer.some((element) => element.contains(image)))
  return left > 0 || images ? outer : []
}

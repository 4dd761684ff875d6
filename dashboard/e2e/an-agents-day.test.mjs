// An agent's day with the mouse, and again with the keyboard alone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, World } from './world.mjs'

const world = await World.start()
const conversation = (page) => page.getByRole('main', { name: 'Conversation' })
const row = (page, subject) => page.getByRole('region', { name: 'Conversations' }).getByRole('link').filter({ hasText: subject })

test('an agent answers, takes a note, assigns, attaches, and resolves with the mouse', async () => {
  await world.mail({ from: 'grace@navy.example', subject: 'The invoice is wrong', text: 'It says 90 instead of 9.' })
  await world.mail({ from: 'alan@bletchley.example', subject: 'The machine stands still', text: 'Since Monday.' })
  const page = await world.page({ path: '?tab=unassigned' })
  await row(page, 'The invoice is wrong').click()
  const main = conversation(page)
  await main.getByText('It says 90 instead of 9.').waitFor()
  await main.getByText('grace@navy.example').first().waitFor()

  // A note first: it stays inside.
  await main.getByRole('button', { name: 'Private note' }).click()
  await main.getByRole('textbox', { name: 'Private note' }).fill('She is right, see the order.')
  await main.getByRole('button', { name: 'Add note' }).click()
  await main.getByRole('article', { name: /Note from/ }).getByText('She is right').waitFor()

  await main.getByRole('button', { name: 'Assign' }).click()
  await page.getByRole('option', { name: /\(you\)/ }).click()
  await main.getByRole('button', { name: /Assigned to/ }).waitFor()

  // A reply with a copy and a file.
  await main.getByRole('button', { name: 'Reply', exact: true }).click()
  const text = main.getByRole('textbox', { name: 'Reply' })
  await text.fill('You are right.')
  await text.selectText()
  await main.getByRole('button', { name: /^Bold/ }).click()
  assert.equal(await text.inputValue(), '**You are right.**')
  await main.getByRole('button', { name: 'Cc / Bcc' }).click()
  await main.getByLabel('Cc', { exact: true }).fill('boss@navy.example')
  await main.getByLabel('Attach files').setInputFiles({ name: 'credit.txt', mimeType: 'text/plain', buffer: Buffer.from('Credit: 81') })
  await main.getByRole('button', { name: 'Send' }).click()
  const sent = main.getByRole('article', { name: /^Mail from Demo/ })
  await sent.getByText('You are right.').waitFor()
  await sent.getByText('credit.txt').waitFor()
  await sent.getByText('Sent', { exact: true }).waitFor()
  assert.match(await world.received('grace@navy.example'), /The invoice is wrong/)
  await eventually('the copy has arrived', async () => (await world.received('boss@navy.example')).includes('The invoice is wrong'))

  // Resolved, and the next one is open.
  await main.getByRole('button', { name: 'Resolve' }).click()
  await page.getByText('Resolved.').waitFor()
  await eventually('the server knows', async () => (await world.api('GET', '/conversations?status=resolved&assignee_type=all')).data.payload.some((one) => one.additional_attributes.mail_subject === 'The invoice is wrong'))
  assert.deepEqual(page.problems, [])
  await page.context().close()
})

test('what is sent can be taken back, and stands in the editor again', async () => {
  await world.mail({ from: 'katherine@nasa.example', subject: 'Take it back', text: 'Hello?' })
  const page = await world.page({ path: '?tab=all' })
  await row(page, 'Take it back').click()
  const main = conversation(page)
  await main.getByRole('textbox', { name: 'Reply' }).fill('Too early')
  await main.getByRole('button', { name: 'Send' }).click()
  await page.getByRole('button', { name: 'Undo' }).click()
  await eventually('the text is back', async () => (await main.getByRole('textbox', { name: 'Reply' }).inputValue()) === 'Too early')
  assert.doesNotMatch(await world.received('katherine@nasa.example'), /Take it back/)
  // And it is still there after the page was loaded anew.
  await page.reload()
  await eventually('the draft was kept', async () => (await conversation(page).getByRole('textbox', { name: 'Reply' }).inputValue()) === 'Too early')
  assert.deepEqual(page.problems, [])
  await page.context().close()
})

test('an agent works through the day without a mouse', async () => {
  await world.mail({ from: 'tim@web.example', subject: 'By keyboard', text: 'Can you do it?' })
  const page = await world.page({ path: '?tab=all' })
  await row(page, 'By keyboard').waitFor()
  const press = (keys) => page.keyboard.press(keys)
  const main = conversation(page)
  // From the top of the list down to it.
  const wanted = new URL(await row(page, 'By keyboard').getAttribute('href'), page.url()).pathname
  while (new URL(page.url()).pathname !== wanted) {
    const before = page.url()
    await press('j')
    await page.waitForURL((url) => url.href !== before)
  }
  await main.getByText('Can you do it?').waitFor()
  await press('r')
  await eventually('the editor has the focus', () => page.evaluate(() => document.activeElement?.getAttribute('aria-label') === 'Reply'))
  await page.keyboard.type('- one')
  await press('Enter')
  await page.keyboard.type('two ')
  await press('Control+b')
  await page.keyboard.type('three')
  assert.equal(await main.getByRole('textbox', { name: 'Reply' }).inputValue(), '- one\n- two **three**')
  await press('Control+Enter')
  await main.getByRole('article', { name: /^Mail from Demo/ }).getByText('three').waitFor()
  await press('Escape')
  // Mine, by the list of people.
  await press('a')
  const people = page.getByRole('listbox', { name: /Assign/ })
  await people.waitFor()
  await page.keyboard.type('you')
  await press('Enter')
  await main.getByRole('button', { name: /Assigned to/ }).waitFor()
  // Every key is told.
  await press('?')
  await page.getByRole('dialog', { name: 'Keys' }).getByText('Resolve and open the next').waitFor()
  await press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  // By name, where one does not know the key.
  await press('Control+k')
  await page.getByRole('dialog').getByRole('textbox').waitFor()
  await page.keyboard.type('resolve')
  await press('Enter')
  await page.getByText('Resolved.').waitFor()
  assert.deepEqual(page.problems, [])
  await page.context().close()
})

test('labels, team, priority and a canned response are at hand, and a draft is there on the next device', async () => {
  await world.api('POST', '/labels', { title: 'billing', color: '#1466b8' })
  await world.api('POST', '/teams', { name: 'money' })
  await world.api('POST', '/canned_responses', { short_code: 'thanks', content: 'Thank you, {{contact.first_name}}.' })
  await world.mail({ from: 'margaret@apollo.example', subject: 'Sort me', text: 'Which drawer?' })
  const page = await world.page({ path: '?tab=all' })
  await row(page, 'Sort me').click()
  const main = conversation(page)
  await main.getByText('Which drawer?').waitFor()
  await main.getByRole('button', { name: 'Labels' }).click()
  await page.getByRole('option', { name: 'billing' }).click()
  await page.keyboard.press('Escape')
  await row(page, 'Sort me').getByText('billing').waitFor()
  await main.getByRole('button', { name: 'Team' }).click()
  await page.getByRole('option', { name: 'money' }).click()
  await main.getByRole('button', { name: 'Team: money' }).waitFor()
  await main.getByRole('button', { name: 'Priority' }).click()
  await page.getByRole('option', { name: 'Urgent' }).click()
  await row(page, 'Sort me').getByLabel('Urgent').waitFor()
  await eventually('the server has it all', async () => {
    const one = (await world.api('GET', '/conversations?status=all&assignee_type=all')).data.payload.find((each) => each.additional_attributes.mail_subject === 'Sort me')
    return one.priority === 'urgent' && one.labels.includes('billing') && one.meta.team?.name === 'money'
  })

  const text = main.getByRole('textbox', { name: 'Reply' })
  await text.click()
  await page.keyboard.type('/than')
  await page.getByRole('option', { name: /thanks/ }).waitFor()
  await page.keyboard.press('Enter')
  await eventually('it is filled in', async () => (await text.inputValue()).startsWith('Thank you, Margaret.'))
  // What was brought is what would be sent, before anything else is typed.
  const { id } = (await world.api('GET', '/conversations?status=all&assignee_type=all')).data.payload.find((each) => each.additional_attributes.mail_subject === 'Sort me')
  await eventually('it is kept', async () => (await world.api('GET', `/conversations/${id}/draft_messages`)).message?.startsWith('Thank you, Margaret.'))
  await page.keyboard.type('More soon')
  await eventually('the draft is kept', async () => (await world.api('GET', `/conversations/${id}/draft_messages`)).message?.includes('More soon'))
  // On another device, which knows nothing but the server.
  const other = await world.page({ path: `/${id}?tab=all` })
  await eventually('the draft is there', async () => (await conversation(other).getByRole('textbox', { name: 'Reply' }).inputValue()).includes('Thank you, Margaret. More soon'))
  await other.context().close()
  assert.deepEqual(page.problems, [])
  await page.context().close()
})

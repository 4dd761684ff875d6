// What a person does at the sandbox's Microsoft, in the tab that a click opens.

/** That tab, with somebody chosen. */
export async function atMicrosoft(page, click, who) {
  const opening = page.context().waitForEvent('page')
  await click()
  const microsoft = await opening
  microsoft.setDefaultTimeout(60_000)
  await microsoft.locator('button.account').filter({ hasText: who }).click()
  return microsoft
}

/** To the end of a sign-in, asked for consent or not. */
export async function accepted(microsoft, end) {
  const accept = microsoft.getByRole('button', { name: 'Accept', exact: true })
  const done = microsoft.getByRole('heading', { name: end })
  await accept.or(done).waitFor()
  if (await accept.isVisible()) await accept.click()
  await done.waitFor()
  await microsoft.close()
}

/** Says that the organisation wants an administrator, which Microsoft's own page tells nobody. */
export async function wantsApproval(microsoft) {
  await microsoft.getByRole('heading', { name: 'Need admin approval' }).waitFor()
  await microsoft.getByRole('button', { name: /^Return to the application/ }).click()
  await microsoft.getByRole('button', { name: "My organisation wants an administrator's approval" }).click()
  await microsoft.getByRole('heading', { name: /approval/ }).waitFor()
  await microsoft.close()
}

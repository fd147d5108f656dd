// From a click to a settled coupon, and what is said of it when answers are lost or the sale is over.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { base, button, coupon, facts, loseAnswers, onlyWithReason, open, said, shot, state } from './tab.mjs';

export async function claim() {
  const page = await open();
  await state(page, 'open');
  await shot(page, 'open');
  await page.keyboard.press('Tab'); // language, then the button: the keyboard alone does
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'claim');
  await page.keyboard.press('Enter');
  await state(page, 'settled');
  assert.match(await said(page), /Confirmed/);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'state'); // and does not lose its place
  assert.ok(await button(page).isHidden(), 'a button that could only be refused');
  await shot(page, 'settled');
  await page.locator('#language').click();
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN');
  assert.match(await said(page), /已确认/);
  await shot(page, 'settled-zh');
  await page.reload();
  await state(page, 'settled'); // what was begun survives a reload
  assert.match(await said(page), /已确认/); // and so does the language
  assert.equal(page.claims.length, 1);
  return page;
}

export async function doubleClick() {
  const page = await open();
  await state(page, 'open');
  await button(page).dblclick();
  await state(page, 'settled');
  assert.equal(page.claims.length, 1);
  return page;
}

// A rule that is younger than this page: no doubt, no button; a later claim has a key of its own.
export async function unknownRule() {
  const page = await open();
  await state(page, 'open');
  await page.route('**/receive', (route) => route.fulfill({ status: 409, contentType: 'application/problem+json',
    body: '{"code":"SOME_NEW_RULE","applied":"no"}' }));
  await button(page).click();
  await state(page, 'declined');
  assert.equal(await said(page), 'This claim cannot be accepted. Nothing was taken from you.');
  assert.ok(await button(page).isHidden());
  await shot(page, 'declined');
  await page.unroute('**/receive');
  await page.reload();
  await state(page, 'open');
  await button(page).click();
  await state(page, 'settled');
  assert.equal(new Set(page.claims).size, 2);
  return page;
}

export async function lostAnswer() {
  const page = await open();
  let asked = 0;
  await page.route('**/receive', async (route) => {
    if (++asked === 1) { // the engine gets it; its answer does not arrive
      const answer = await page.request.fetch(route.request());
      assert.equal(answer.status(), 202);
      return route.abort('connectionreset');
    }
    await state(page, 'retrying'); // as long as the second request is held here
    assert.doesNotMatch(await said(page), /\bkey\b/);
    await shot(page, 'retrying');
    return route.continue();
  });
  await state(page, 'open');
  await button(page).click();
  await state(page, 'settled');
  assert.equal(page.claims.length, 2);
  assert.equal(page.claims[0], page.claims[1]);
  return page;
}

// The last unit, limit 2: whoever has it reads that he has it, not that all are gone.
export async function winnerReloads() {
  const page = await open();
  await state(page, 'open');
  const arrive = await loseAnswers(page);
  await button(page).click();
  await state(page, 'retrying');
  for (let i = 0; (await facts()).left > 0 && i < 50; ++i) await page.waitForTimeout(100); // the engine's word is 200 ms old
  arrive();
  await page.reload();
  await state(page, 'settled');
  assert.match(await said(page), /^Confirmed/);
  assert.equal(new Set(page.claims).size, 1);
  return page;
}

// In two parts, between which the sale is ended: what the tab keeps goes by the file KEPT.
export async function losesTheAnswer() {
  const page = await open();
  await state(page, 'open');
  await loseAnswers(page);
  await button(page).click();
  await state(page, 'retrying');
  writeFileSync(process.env.KEPT, await page.evaluate(() => JSON.stringify({ ...sessionStorage })));
  return page;
}
export async function asksAfterTheEnd() {
  const kept = JSON.parse(readFileSync(process.env.KEPT, 'utf8'));
  const page = await open({ before: (tab) => tab.addInitScript((all) => Object.assign(sessionStorage, all), kept) });
  await state(page, 'settled');
  assert.match(await said(page), /^Confirmed/);
  return page;
}

// Limit 1, and nothing kept: a new tab after the sale.
export async function holderAfterTheEnd() {
  const page = await open();
  await state(page, 'LIMIT_REACHED');
  assert.equal(await said(page), 'You have this coupon.');
  assert.ok(await button(page).isHidden());
  await shot(page, 'limit');
  return page;
}
// Limit 2, one of them held.
export async function holderOfOneAfterTheEnd() {
  const page = await open();
  await state(page, 'ENDED');
  assert.equal(await said(page), 'You have 1 of 2. The sale is over.');
  assert.ok(await button(page).isHidden());
  await shot(page, 'ended');
  return page;
}

export async function claimsTwo() {
  const page = await open();
  await state(page, 'open');
  await button(page).click();
  await state(page, 'settled');
  await page.locator('#claim:enabled', { hasText: 'Get another one' }).click();
  await page.waitForFunction(() => document.getElementById('state').textContent === 'Confirmed. The coupon is yours. You have 2 of 2.');
  assert.ok(await button(page).isHidden());
  assert.equal(new Set(page.claims).size, 2);
  await page.reload();
  await state(page, 'settled');
  assert.equal(page.claims.length, 2);
  return page;
}

export async function soldOut() {
  const page = await open({ user: 8 });
  await state(page, 'SOLD_OUT');
  assert.match(await said(page), /Sold out/);
  await button(page).click();
  await page.waitForFunction(() => document.body.dataset.state === 'SOLD_OUT' && !document.getElementById('claim').disabled);
  assert.equal(page.claims.length, 1);
  await shot(page, 'soldout');
  return page;
}

export async function limit() {
  const page = await open();
  await state(page, 'LIMIT_REACHED');
  assert.ok(await button(page).isHidden());
  return page;
}

export async function opens() {
  const page = await open({ locale: 'zh-CN', colorScheme: 'dark' });
  await state(page, 'waiting');
  assert.ok(await button(page).isDisabled());
  assert.match(await page.getByRole('timer').textContent(), /^\d\d:\d\d:\d\d$/);
  await page.evaluate(() => { window.sameDocument = true; });
  await shot(page, 'waiting');
  await state(page, 'open');
  await button(page).click();
  await state(page, 'settled');
  assert.ok(await page.evaluate(() => window.sameDocument), 'it was reloaded');
  return page;
}

// A browser as Safari 15: it has neither AbortSignal.timeout nor AbortSignal.any.
export async function olderBrowser() {
  const page = await open({ before: (tab) => tab.addInitScript(() => {
    delete AbortSignal.timeout;
    delete AbortSignal.any;
  }) });
  await state(page, 'open');
  await button(page).click();
  await state(page, 'settled');
  return page;
}

// Two tabs of one person: the second learns at once, and offers nothing that is gone.
export async function twoTabs() {
  const page = await open();
  const second = await open({ context: page.context(), before: onlyWithReason });
  await state(page, 'open');
  await state(second, 'open');
  await page.bringToFront();
  await button(page).click();
  await state(page, 'settled');
  await state(second, 'LIMIT_REACHED');
  return page;
}

// GET /claims fails again and again: the claim stands, and nobody asks every second.
export async function confirmationIsLate() {
  const page = await open();
  let refused = 0;
  await page.route('**/claims/*', (route) => {
    if (++refused > 2) return route.continue();
    return route.fulfill({ status: 500, contentType: 'application/problem+json', body: '{"code":"INTERNAL"}' });
  });
  await state(page, 'open');
  await button(page).click();
  await page.waitForFunction(() => document.getElementById('state').textContent.includes('takes longer than usual'));
  assert.match(await said(page), /^It is yours/);
  await state(page, 'settled');
  assert.equal(page.url(), `${base}/sale/${coupon}#user=7`);
  return page;
}

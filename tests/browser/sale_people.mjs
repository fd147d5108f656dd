// Whose claim it is: what one person has begun is never sent, followed or shown for another; and what is wrong with the page itself.
import assert from 'node:assert/strict';
import { base, browser, button, coupon, open, said, signedIn, state } from './tab.mjs';

// 7's claim never arrives; 8 signs in on the same tab and gets nothing unasked; 7 comes back and gets his.
export async function anotherPerson() {
  const who = { user: 7 };
  const page = await open({ user: null, before: signedIn(who) });
  await state(page, 'open');
  await page.route('**/receive', (route) => route.abort('connectionreset'));
  await button(page).click();
  await state(page, 'retrying');
  who.user = 8;
  await page.reload();
  await state(page, 'open');
  const sent = page.claims.length;
  await page.waitForTimeout(1000); // what it would do unasked, it would do now
  assert.equal(page.claims.length, sent, 'sent for another');
  await page.unroute('**/receive');
  who.user = 7;
  await page.reload();
  await state(page, 'settled');
  assert.equal(page.claims.length, sent + 1);
  assert.equal(new Set(page.claims).size, 1);
  const detail = await page.locator('#detail').textContent();
  assert.match(detail, /\d-\d/);
  who.user = 8; // and reads nothing of 7's claim
  await page.reload();
  await state(page, 'open');
  assert.equal(await page.locator('#detail').textContent(), '');
  assert.equal(await said(page), 'The sale is open.');
  return page;
}

// The same without a reload: 8 signs in in another window while the page of 7 tries again and again.
export async function anotherPersonMeanwhile() {
  const who = { user: 7 };
  const page = await open({ user: null, before: signedIn(who) });
  const senders = [];
  await page.route('**/receive', (route) => {
    senders.push(who.user);
    return route.abort('connectionreset');
  });
  await state(page, 'open');
  await button(page).click();
  await state(page, 'retrying');
  await page.route(`**/coupons/${coupon}`, (route) => {
    who.user = 8; // since a moment ago
    return route.fallback();
  });
  await page.evaluate(() => {
    document.hasFocus = () => false;
    window.dispatchEvent(new Event('blur'));
  });
  await state(page, 'open');
  await page.waitForTimeout(2000);
  assert.ok(!senders.includes(8), `sent for 8: ${senders}`);
  assert.equal(await said(page), 'The sale is open.');
  return page;
}

// A fault of the page is not a lost network, and what the server calls wrong is said.
export async function faults() {
  const broken = await open({ user: '七' });
  await state(broken, 'fault');
  for (let i = 0; broken.faults.length === 0 && i < 50; ++i) await broken.waitForTimeout(100);
  assert.match(broken.faults.splice(0).join(), /TypeError/);
  const wrong = await open({ user: '07' });
  await state(wrong, 'INVALID_REQUEST');
  assert.match(await said(wrong), /sign in again/);
  const nobody = await open({ user: null });
  await state(nobody, 'open');
  assert.match(await said(nobody), /Please sign in first/); // before the button is pressed for nothing
  await button(nobody).click();
  await state(nobody, 'UNAUTHENTICATED');
  assert.ok(await button(nobody).isHidden());
  return nobody;
}

// Addresses that are not a sale: a page for readers, the problem for programs.
export async function missingPages() {
  const page = await open();
  for (const path of ['/', '/sale/abc', '/sale/', '/sale/042', '/nothing']) {
    const answer = await page.goto(base + path);
    assert.equal(answer.status(), 404, path);
    assert.equal(answer.headers()['content-type'], 'text/html; charset=utf-8', path);
    assert.match(answer.headers()['content-security-policy'], /default-src 'none'/);
    assert.match(await page.locator('h1').textContent(), /no such page/);
    const problem = await fetch(base + path);
    assert.equal(problem.status, 404, path);
    assert.equal(problem.headers.get('Content-Type'), 'application/problem+json', path);
  }
  return page;
}

// Without JavaScript the page says what it needs, and shows no button that does nothing.
export async function withoutScript() {
  const page = await open({ javaScriptEnabled: false });
  const asks = page.locator('noscript p').first();
  assert.match(await asks.textContent(), /needs JavaScript/);
  assert.ok((await asks.boundingBox()).height > 0);
  assert.equal(await page.locator('button:visible').count(), 0);
  assert.ok(await page.locator('#late').isHidden());
  assert.doesNotMatch(await page.locator('main').innerText(), /…/);
  return page;
}

// A script that never comes leaves no page that waits for ever: after a while it says so. One that came takes the words away.
export async function scriptNeverLoads() {
  for (const fate of [(route) => route.abort(), () => {}, (route) => route.fulfill({ contentType: 'text/javascript', body: 'nonsense(' })]) {
    const page = await (await browser.newContext()).newPage();
    await page.route('**/sale.js*', fate);
    await page.goto(`${base}/sale/${coupon}`, { waitUntil: 'commit' }); // a script that stalls holds up the load
    const late = page.locator('#late');
    await late.waitFor({ state: 'visible' });
    assert.match(await late.innerText(), /Reload the page, or try another browser.*请刷新页面/);
    assert.equal(await page.locator('button:visible').count(), 0);
    await page.context().close();
  }
  const page = await open();
  await state(page, 'open');
  assert.equal(await page.locator('#late').count(), 0);
  return page;
}

// What the page shows and when it looks: layouts, numbers and times, the clock, the network.
import assert from 'node:assert/strict';
import { base, button, coupon, facts, onlyWithReason, open, said, shot, state } from './tab.mjs';

// A coupon that begins in two days, 12,000 of it: everything is in sight on small screens, in both languages.
export async function layouts() {
  let last;
  for (const locale of ['en-GB', 'zh-CN']) {
    for (const [width, height] of [[320, 568], [568, 320], [1280, 800]]) {
      const page = last = await open({ locale, viewport: { width, height } });
      await state(page, 'waiting');
      const size = `${locale} ${width} x ${height}`;
      const box = await button(page).boundingBox();
      assert.ok(box.y >= 0 && box.y + box.height <= height, `${size}: the button is cut off`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.ok(!wide, `${size}: it scrolls sideways`);
      const lines = await page.locator('#countdown').evaluate((one) => {
        const range = document.createRange();
        range.selectNodeContents(one);
        return new Set(Array.from(range.getClientRects(), (rect) => Math.round(rect.bottom / 10))).size;
      });
      assert.equal(lines, 1, `${size}: the countdown wraps`);
      const out = await page.locator('#countdown').evaluate((one) => one.scrollWidth > one.clientWidth);
      assert.ok(!out, `${size}: the countdown is too wide`);
      assert.match(await page.locator('#facts').textContent(), /12,000/);
      const { beginsAtMs, endsAtMs } = await facts();
      for (const ms of [beginsAtMs, endsAtMs]) {
        const day = new Intl.DateTimeFormat(locale, { day: 'numeric' }).format(ms).replace('日', '');
        const time = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' }).format(ms);
        const shown = await page.locator('#window').textContent();
        assert.ok(shown.includes(day) && shown.includes(time), `${shown} lacks ${day} ${time}`);
      }
      await shot(page, `layout-${locale}-${width}`);
      await page.close();
    }
  }
  const page = await open({ forcedColors: 'active' });
  await state(page, 'waiting');
  const border = await button(page).evaluate((one) => {
    const style = getComputedStyle(one);
    return { width: parseFloat(style.borderTopWidth), style: style.borderTopStyle };
  });
  assert.ok(border.width >= 1 && border.style === 'solid', 'forced colours: the button has no border');
  await shot(page, 'forced');
  return last && page;
}

// A clock that stood still, as that of a laptop that slept, is put right by the next answer, however slow that is.
export async function sleptClock() {
  const page = await open({ before: (tab) => tab.addInitScript(() => {
    const usual = performance.now.bind(performance);
    window.slept = 0;
    performance.now = () => usual() - window.slept;
  }) });
  await state(page, 'waiting');
  const lateBy = async () => {
    const { beginsAtMs, serverTimeMs } = await facts();
    const [h, m, s] = (await page.locator('#countdown').textContent()).split(':').map(Number);
    return h * 3600 + m * 60 + s - (beginsAtMs - serverTimeMs) / 1000;
  };
  assert.ok(Math.abs(await lateBy()) < 30);
  let slow = 0;
  await page.route(`**/coupons/${coupon}`, async (route) => {
    await new Promise((resume) => setTimeout(resume, 400)); // slower than the first answer was
    ++slow;
    return route.continue();
  });
  await page.evaluate(() => { window.slept = 216000; });
  for (const until = Date.now() + 60000; slow < 2 && Date.now() < until;) await page.waitForTimeout(200);
  assert.ok(Math.abs(await lateBy()) < 30, `late by ${await lateBy()} s`);
  return page;
}

// No answer to the first look, then none at all, then the shop is there.
export async function deadFirstLoad() {
  let hold = true;
  let asked = 0;
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  const page = await open({ before: (tab) => tab.route(`**/coupons/${coupon}`, async (route) => {
    ++asked;
    if (hold) {
      await held;
      return route.abort('connectionrefused');
    }
    return route.continue();
  }) });
  await state(page, 'away');
  assert.equal(asked, 1, 'it said so only after many attempts');
  assert.match(await said(page), /does not answer/);
  hold = false;
  release();
  await state(page, 'open');
  return page;
}

// Each of these makes it look, though nothing else would.
export async function looksWithReason() {
  const page = await open({ before: onlyWithReason });
  await state(page, 'open');
  const reasons = {
    online: () => window.dispatchEvent(new Event('online')),
    pageshow: () => window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })),
    visibilitychange: () => document.dispatchEvent(new Event('visibilitychange')),
    focus: () => window.dispatchEvent(new Event('focus')),
  };
  for (const [name, happens] of Object.entries(reasons)) {
    await page.waitForTimeout(600); // they come together, and cause one look
    const before = page.looks;
    await page.evaluate(happens);
    for (let i = 0; page.looks === before && i < 50; ++i) await page.waitForTimeout(100);
    assert.equal(page.looks, before + 1, name);
  }
  return page;
}

// On a slow line each wait for an answer counts: the page, its parts, the coupon. Answers are held until nothing new is asked.
export async function fewTrips() {
  const trips = [];
  let page;
  const opened = open({ before: async (tab) => {
    page = tab;
    let waiting = [];
    let timer;
    await tab.route('**/*', (route) => {
      if (!route.request().url().startsWith(base)) return route.continue(); // an empty icon
      waiting.push(route);
      clearTimeout(timer);
      timer = setTimeout(() => {
        const now = waiting;
        waiting = [];
        trips.push(now.map((one) => new URL(one.request().url()).pathname));
        for (const one of now) one.continue();
      }, 1500);
    });
  } });
  await opened;
  await state(page, 'open');
  const coupons = trips.findIndex((paths) => paths.includes(`/coupons/${coupon}`));
  assert.ok(coupons < 3, `the coupon is asked for on trip ${coupons + 1}: ${JSON.stringify(trips)}`);
  assert.ok(trips.slice(0, coupons + 1).flat().length <= 4, JSON.stringify(trips));
  await page.unroute('**/*');
  return page;
}

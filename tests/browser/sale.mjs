// The sale page in headless Chromium against the running stack: sale.mjs SCENARIO. HTTP_URL, COUPON; SHOTS: a folder for pictures.
import assert from 'node:assert/strict';
import { load } from './packages.mjs';

const { chromium } = (await load('playwright-core')).default;
const base = process.env.HTTP_URL;
const scenario = process.argv[2];
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
});

async function open(options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 390, height: 720 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(120000);
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => /Content.Security.Policy|Trusted/i.test(message.text()) && page.faults.push(message.text()));
  page.claims = [];
  page.on('request', (request) => request.method() === 'POST' && page.claims.push(request.headers()['idempotency-key']));
  await page.goto(`${base}/sale/${process.env.COUPON}#user=${options.user ?? 7}`);
  return page;
}

const state = (page, wanted) => page.waitForSelector(`body[data-state="${wanted}"]`);
const button = (page) => page.locator('#claim');
async function shot(page, name) {
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${scenario}-${name}.png` });
}

const scenarios = {
  async claim() {
    const page = await open();
    await state(page, 'open');
    await shot(page, 'open');
    await page.keyboard.press('Tab'); // language, then the button: the keyboard alone does
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'claim');
    await page.keyboard.press('Enter');
    await state(page, 'settled');
    assert.match(await page.getByRole('status').textContent(), /Confirmed/);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'state'); // and does not lose its place
    await shot(page, 'settled');
    await page.locator('#language').click();
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN');
    assert.match(await page.getByRole('status').textContent(), /已确认/);
    await shot(page, 'zh');
    await page.reload();
    await state(page, 'settled'); // what was begun survives a reload
    assert.equal(page.claims.length, 1);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.ok(!wide, 'scrolls sideways on a phone');
    return page;
  },

  async doubleClick() {
    const page = await open();
    await state(page, 'open');
    await button(page).dblclick();
    await page.evaluate(() => document.getElementById('claim').click());
    await state(page, 'settled');
    assert.equal(page.claims.length, 1);
    return page;
  },

  // The claim reaches the server, its answer does not reach the page.
  async lostAnswer() {
    const page = await open();
    let lost = 0;
    await page.route('**/receive', async (route) => {
      if (lost++ === 0) {
        const answer = await route.fetch();
        assert.equal(answer.status(), 202);
        return route.abort('connectionreset');
      }
      await state(page, 'retrying'); // as long as the second request is held here
      await shot(page, 'retrying');
      return route.continue();
    });
    await state(page, 'open');
    await button(page).click();
    await state(page, 'settled');
    assert.equal(page.claims.length, 2);
    assert.equal(page.claims[0], page.claims[1]);
    return page;
  },

  async soldOut() {
    const page = await open({ user: 8 });
    await state(page, 'SOLD_OUT');
    assert.match(await page.getByRole('status').textContent(), /Sold out/);
    await button(page).click();
    await page.waitForFunction(() => document.body.dataset.state === 'SOLD_OUT' && !document.getElementById('claim').disabled);
    assert.equal(page.claims.length, 1);
    await shot(page, 'soldout');
    return page;
  },

  async limit() {
    const page = await open();
    await state(page, 'LIMIT_REACHED');
    assert.ok(await button(page).isDisabled());
    return page;
  },

  async opens() {
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
  },
};

try {
  const page = await scenarios[scenario]();
  assert.deepEqual(page.faults, []);
} finally {
  await browser.close();
}

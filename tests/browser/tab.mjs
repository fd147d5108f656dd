// A browser tab on the sale page, and what a scenario asks of it. HTTP_URL, COUPON; SHOTS: a folder for pictures.
// Where a gateway signs (gateway.mjs), it stands in front of every tab that has a user.
import { passedOn, signs } from './gateway.mjs';
import { load } from './packages.mjs';

const { chromium } = (await load('playwright-core')).default;
export const base = process.env.HTTP_URL;
export const coupon = process.env.COUPON;
export const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
});

// options: of the context, and `user`: who is told by the fragment (or the gateway); null: nobody. `context`: of another
// tab. `before(page)`: ahead of the page's own script.
export async function open({ user = 7, context, before, ...options } = {}) {
  const usual = { locale: 'en-GB', viewport: { width: 390, height: 720 }, ignoreHTTPSErrors: signs };
  const shared = context ?? await browser.newContext({ ...usual, ...options });
  const page = await shared.newPage();
  page.setDefaultTimeout(60000);
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => /Content.Security.Policy|Trusted/i.test(message.text()) && page.faults.push(message.text()));
  page.claims = [];
  page.looks = 0;
  page.on('request', (request) => {
    if (request.method() === 'POST') page.claims.push(request.headers()['idempotency-key']);
    if (new URL(request.url()).pathname === `/coupons/${coupon}`) ++page.looks;
  });
  if (signs && user !== null) await signedIn({ user })(page);
  await before?.(page);
  await page.goto(`${base}/sale/${coupon}${signs || user === null ? '' : `#user=${user}`}`);
  return page;
}

export const state = (page, wanted) => page.waitForSelector(`body[data-state="${wanted}"]`);
export const button = (page) => page.locator('#claim');
export const said = (page) => page.getByRole('status').textContent();
export const facts = async () => (await fetch(`${base}/coupons/${coupon}`)).json();

export async function shot(page, name) {
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${name}.png` });
}

// Claims arrive at the engine, their answers do not, until the returned function is called.
export async function loseAnswers(page) {
  let lose = true;
  await page.route('**/receive', async (route) => {
    if (!lose) return route.fallback();
    const answer = await page.request.fetch(route.request(), { headers: fromGateway(page, route.request()) });
    if (answer.status() !== 202) throw new Error(`not accepted: ${answer.status()}`);
    return route.abort('connectionreset');
  });
  return () => { lose = false; };
}

// Who a gateway in front says that the user is, as after a sign-in: `who.user` may change.
export const signedIn = (who) => async (page) => {
  page.who = who;
  await page.route('**/*', (route) => route.continue({ headers: fromGateway(page, route.request()) }));
};
const fromGateway = (page, request) => {
  const headers = page.who ? { ...request.headers(), 'x-user-id': String(page.who.user) } : request.headers();
  return passedOn(request.method(), request.url(), headers);
};

// Without the looks of every few seconds: what is seen then was seen for another reason.
export const onlyWithReason = (page) => page.addInitScript(() => {
  const usual = window.setTimeout;
  window.setTimeout = (then, ms, ...rest) => (ms >= 4000 ? 0 : usual(then, ms, ...rest));
});

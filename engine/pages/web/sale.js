// The sale page: one coupon, one button, and only states that are true. Who the user is: a gateway says it, or, where there is
// none, the fragment: #user=7 (insecure-dev) or #token=… (jwt). A fragment never leaves the browser by itself.
import { Client, Refusal, newKey } from './client.js';
import { Kept } from './kept.js';
import { isJudged, stateAfter, stateOf } from './states.js';
import { TEXTS } from './texts.js';
import { at, paint, paintCountdown } from './view.js';

const FRESH_MS = 250; // the engine's word on what one holds may be 200 ms old
const PATIENCE_MS = 2000; // without any answer the page says so
const MISSES = 3; // looks in a row without an answer, after which what was seen last is not shown as if it were so
// What a look decides anew; all other states belong to a claim and last until it goes on.
const OF_THE_SALE = new Set(['loading', 'away', 'waiting', 'open', 'PAUSED', 'SOLD_OUT', 'ENDED', 'LIMIT_REACHED', 'COUPON_NOT_FOUND',
  'UNAUTHENTICATED', 'INVALID_REQUEST']);
const UNDER_WAY = new Set(['sending', 'retrying', 'claimed']);
// Nothing is looked at every few seconds in these; still when there is a reason to: the page is seen again, another tab has news.
const AT_REST = new Set([...UNDER_WAY, 'declined', 'ENDED', 'LIMIT_REACHED', 'COUPON_NOT_FOUND', 'UNAUTHENTICATED', 'INVALID_REQUEST', 'fault']);
const WRONG_PAGE = new Set(['COUPON_NOT_FOUND', 'UNAUTHENTICATED', 'INVALID_REQUEST']);
const NOT_APPLIED = new Set(['BUSY', 'NOT_READY', 'RATE_LIMITED']);

const couponId = location.pathname.split('/').pop();
const who = new URLSearchParams(location.hash.slice(1));
const headers = {};
if (who.has('user')) headers['X-User-Id'] = who.get('user');
if (who.has('token')) headers.Authorization = `Bearer ${who.get('token')}`;
const client = new Client({ headers });
const kept = new Kept(storageOf('sessionStorage'), couponId, serverNow);
const shared = storageOf('localStorage'); // by all tabs

let language = rememberedLanguage() ?? ((navigator.language || 'en').startsWith('zh') ? 'zh' : 'en');
let coupon = null; // as it was seen last
let state = 'loading'; // of the sale, or of a claim: sending | retrying | claimed | settled | refused | declined | lost | BUSY | UNKNOWN; fault
let claimId = '';
let slow = false; // the final confirmation does not come
let acceptedAt = -Infinity;
let work = new AbortController(); // what is under way for this person
let asks = true; // a claim without an answer is asked about again at the next look that succeeds
let strayed = false; // the reader was elsewhere since the last look: somebody else may be signed in
let misses = 0;
let waitS = 0; // the server's wish
let looks = 0;
let newest = 0; // of the looks that were answered
let askedAt = -Infinity; // when the last look began
let lookedAt = -Infinity; // when the one that is shown began
let wake = () => {};

function storageOf(name) {
  try {
    return window[name];
  } catch { // forbidden by the browser's settings
    return null;
  }
}

function rememberedLanguage() {
  const word = shared?.getItem('flashclaim:language');
  return Object.keys(TEXTS).includes(word) ? word : null;
}

// What has been told is a proof that at least so much time has passed.
function serverNow() {
  return Math.max(client.serverNow(), coupon?.serverTimeMs ?? 0);
}

function known() {
  const next = coupon && lookedAt > acceptedAt + FRESH_MS ? stateOf(coupon, serverNow()) : null;
  return { language, state, coupon, claimId, slow, next, now: serverNow(), unanswered: kept.unanswered };
}

function show(next = state) {
  state = next;
  paint(known());
}

// A fault of this page is said as such, and told to the console.
function fail(error) {
  show('fault');
  setTimeout(() => { throw error; });
}

// -> whether the coupon was seen.
async function look() {
  const turn = ++looks;
  const began = askedAt = client.now();
  const wasAway = strayed;
  strayed = false;
  try {
    const fresh = await client.coupon(couponId, { attempts: 1 });
    if (turn < newest) return true; // a later one was quicker
    newest = turn;
    coupon = fresh;
    lookedAt = began;
    misses = waitS = 0;
    if ((fresh.userId ?? '') !== kept.person) become(fresh.userId ?? '');
    show(OF_THE_SALE.has(state) ? stateOf(fresh, serverNow()) : state);
    takeUp();
    return true;
  } catch (error) {
    if (!(error instanceof Refusal)) fail(error);
    else if (turn > newest) missed(error);
    strayed ||= wasAway;
    return false;
  }
}

function missed(refusal) {
  asks = true;
  misses += 1;
  waitS = refusal.retryAfterS;
  if (!OF_THE_SALE.has(state)) return;
  if (WRONG_PAGE.has(refusal.code)) return show(refusal.code);
  if (!coupon || (misses >= MISSES && state !== 'waiting')) show('away'); // a countdown goes on by the clock
}

// Another person than before, or the first: nothing of theirs is sent, shown or followed for each other.
function become(person) {
  work.abort();
  work = new AbortController();
  kept.open(person);
  claimId = '';
  acceptedAt = -Infinity;
  asks = true;
  state = 'loading';
}

// What was begun before, by this person, is followed to its end in every state of the sale.
function takeUp() {
  if (!OF_THE_SALE.has(state) && state !== 'UNKNOWN') return;
  if (kept.begun.claimId) follow();
  else if (asks && kept.person && kept.unanswered) claim();
}

async function claim() {
  if (UNDER_WAY.has(state)) return; // the second of two clicks
  const { signal } = work;
  let doubt = kept.unanswered; // whether an earlier sending may stand
  const key = kept.begin(newKey);
  asks = false;
  claimId = '';
  show('sending');
  try {
    const onRetry = (refusal) => {
      doubt ||= !NOT_APPLIED.has(refusal.code);
      show('retrying');
    };
    const answer = await client.claim(couponId, { key, signal, onRetry, beforeRetry });
    if (signal.aborted) return;
    kept.accepted(answer.claimId);
    acceptedAt = client.now();
    tell();
    await follow();
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Refusal)) return fail(error);
    const judged = isJudged(error);
    const busy = NOT_APPLIED.has(error.code) && !doubt;
    if (judged || busy) kept.forget(); // a refusal is not stored: the next try is a new claim
    show(busy ? 'BUSY' : stateAfter(error, TEXTS.en));
    if (judged) setTimeout(look, FRESH_MS);
  }
}

// Nobody's claim is sent for another: who has been elsewhere is asked who he is first.
async function beforeRetry() {
  if ((strayed || !document.hasFocus()) && !await look()) throw new Refusal('OUTCOME_UNKNOWN');
}

async function follow() {
  const { signal } = work;
  claimId = kept.begun.claimId;
  slow = false;
  show('claimed');
  for (let attempt = 0; ; ++attempt) {
    try {
      const outcome = await client.outcome(claimId, { signal });
      if (outcome.status === 'settled') kept.settled();
      else kept.forget();
      return ended(outcome.status);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Refusal)) return fail(error);
      if (error.code === 'CLAIM_NOT_FOUND') {
        kept.forget();
        claimId = '';
        return ended(coupon?.mine > 0 ? stateOf(coupon, serverNow()) : 'lost');
      }
      slow = true;
      show();
      await nap(Math.min(30000, 1000 * 2 ** attempt) * (0.5 + Math.random()));
    }
  }
}

function ended(next) {
  show(next);
  tell();
  setTimeout(look, FRESH_MS); // whether there may be another
}

function nap(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    wake = resolve;
  });
}

// Other tabs learn that something has changed.
function tell() {
  try {
    shared.setItem('flashclaim:changed', `${couponId} ${newKey()}`);
    shared.removeItem('flashclaim:changed');
  } catch { /* they learn at their next look */ }
}

// There is a reason to look at once.
function lookAgain(afterMs = 0) {
  asks = true;
  wake();
  if (afterMs > 0 || client.now() - askedAt > FRESH_MS) setTimeout(look, afterMs); // focus, online and the like come together
}

// Every few seconds, not in step with others.
async function watch() {
  const settledAll = state === 'settled' && coupon?.mine >= coupon?.userLimit;
  if (!document.hidden && !AT_REST.has(state) && !settledAll) await look();
  setTimeout(watch, misses > 0 ? waitS * 1000 + 1000 + Math.random() * 2000 : 5000 + Math.random() * 5000);
}

// The clocks that were compared last; when they part, this computer slept or was set.
let parted = Date.now() - client.now();
let ticked = client.now();
function tick() {
  const apart = Date.now() - client.now();
  const gap = client.now() - ticked;
  if (!document.hidden && (Math.abs(apart - parted) > 1000 || gap > 3000)) lookAgain();
  parted = apart;
  ticked = client.now();
  if (state !== 'waiting') return;
  if (serverNow() >= coupon.beginsAtMs) show(stateOf(coupon, serverNow()));
  else paintCountdown(known());
}

at('claim').addEventListener('click', claim);
at('language').addEventListener('click', () => {
  language = language === 'en' ? 'zh' : 'en';
  try {
    shared.setItem('flashclaim:language', language);
  } catch { /* it lasts as long as the page */ }
  show();
});
addEventListener('hashchange', () => location.reload());
addEventListener('blur', () => { strayed = true; });
addEventListener('focus', () => lookAgain());
addEventListener('online', () => lookAgain());
addEventListener('pageshow', (event) => event.persisted && lookAgain());
document.addEventListener('visibilitychange', () => {
  if (document.hidden) strayed = true;
  else lookAgain();
});
addEventListener('storage', (event) => {
  if (event.key === 'flashclaim:changed' && event.newValue?.split(' ')[0] === couponId) lookAgain(FRESH_MS);
  if (event.key === 'flashclaim:language') {
    language = rememberedLanguage() ?? language;
    show();
  }
});
at('late').remove();
show();
setTimeout(() => state === 'loading' && show('away'), PATIENCE_MS);
setInterval(tick, 100);
look().then(() => setTimeout(watch, misses > 0 ? 1000 : 5000 * Math.random() + 5000));

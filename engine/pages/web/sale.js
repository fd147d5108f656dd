// The sale page: one coupon, one button, and only states that are true. Who the user is: a gateway says it, or, where there is
// none, the fragment: #user=7 (insecure-dev) or #token=… (jwt). A fragment never leaves the browser by itself.
import { Client, Refusal, newKey } from './client.js?v=@pages_version@';

const TEXTS = {
  en: {
    other: '中文', otherLang: 'zh', title: 'Flash sale', claim: 'Get the coupon', retry: 'Try again', busy: 'One moment …',
    loading: 'Loading …', opens: 'Opens in', open: 'The sale is open.', facts: (c) => `${c.left} of ${c.total} left · ${c.userLimit} per person`,
    sending: 'Your claim is on its way …', retrying: 'No clear answer yet. Asking again with the same key: it cannot become two claims.',
    claimed: 'It is yours. Waiting for the final confirmation …', settled: 'Confirmed. The coupon is yours.',
    refused: 'The final check refused this claim. Nothing was taken from you.',
    NOT_STARTED: 'The sale has not begun.', PAUSED: 'The sale is paused. Nothing was taken.', SOLD_OUT: 'Sold out. A return may free one: look again later.',
    LIMIT_REACHED: 'You already have all that one person may have.', ENDED: 'The sale is over.', COUPON_NOT_FOUND: 'There is no such coupon.',
    UNAUTHENTICATED: 'Please sign in first.', UNKNOWN: 'We could not learn what became of your claim. Try again: the same key tells.',
    away: 'The shop does not answer. Nothing was claimed; trying again.', claimId: 'Claim',
  },
  zh: {
    other: 'English', otherLang: 'en', title: '限时抢购', claim: '领取优惠券', retry: '重试', busy: '请稍候……',
    loading: '加载中……', opens: '距开始', open: '活动进行中。', facts: (c) => `剩余 ${c.left} / ${c.total} · 每人限领 ${c.userLimit} 张`,
    sending: '正在提交……', retrying: '暂未收到明确结果，正用同一凭据重试，不会重复领取。',
    claimed: '已抢到，等待最终确认……', settled: '已确认，优惠券归您所有。', refused: '最终核对未通过，未占用您的名额。',
    NOT_STARTED: '活动尚未开始。', PAUSED: '活动已暂停，未占用名额。', SOLD_OUT: '已抢光。如有退回会再次放出，请稍后再看。',
    LIMIT_REACHED: '您已达到领取上限。', ENDED: '活动已结束。', COUPON_NOT_FOUND: '没有这张优惠券。',
    UNAUTHENTICATED: '请先登录。', UNKNOWN: '未能得知领取结果。请重试：同一凭据会给出答案。',
    away: '暂时无法连接，未领取任何优惠券，正在重试。', claimId: '领取编号',
  },
};

const FINAL = new Set(['LIMIT_REACHED', 'ENDED', 'COUPON_NOT_FOUND', 'UNAUTHENTICATED']);
const couponId = location.pathname.split('/').pop();
const who = new URLSearchParams(location.hash.slice(1));
const headers = {};
if (who.has('user')) headers['X-User-Id'] = who.get('user');
if (who.has('token')) headers.Authorization = `Bearer ${who.get('token')}`;
const client = new Client({ headers });
const at = (id) => document.getElementById(id);
const stored = `flashclaim:${couponId}:${who.get('user') ?? ''}`;

let language = (navigator.language || 'en').startsWith('zh') ? 'zh' : 'en';
let coupon = null;
let state = 'loading'; // loading | waiting | open | sending | retrying | claimed | settled | refused | away | a code
let claimId = '';

// What was begun survives a reload: the key first, then the claim.
function remember(entry) {
  try {
    sessionStorage.setItem(stored, JSON.stringify(entry));
  } catch { /* a browser that stores nothing: the key lives as long as the page */ }
}
function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(stored)) ?? {};
  } catch {
    return {};
  }
}
let begun = remembered();

function write(element, text) { // a screen reader speaks only what has changed
  if (element.textContent !== text) element.textContent = text;
}

function clock(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  const days = Math.floor(s / 86400);
  return `${days ? `${days}d ` : ''}${two(Math.floor(s / 3600) % 24)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

function show(next = state) {
  const moved = next !== state;
  state = next;
  const text = TEXTS[language];
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  document.body.dataset.state = state;
  document.title = coupon ? `${coupon.name} · ${text.title}` : text.title;
  write(at('language'), text.other);
  at('language').lang = text.otherLang;
  write(at('name'), coupon ? coupon.name : text.title);
  write(at('facts'), coupon ? text.facts(coupon) : '');
  const left = coupon && client.serverNow() !== null ? coupon.beginsAtMs - client.serverNow() : 0;
  at('countdown').hidden = state !== 'waiting';
  write(at('countdown'), state === 'waiting' ? clock(left) : '');
  write(at('state'), state === 'waiting' ? text.NOT_STARTED : text[state] ?? text.UNKNOWN);
  write(at('detail'), claimId ? `${text.claimId} ${claimId}` : '');
  const button = at('claim');
  const ready = ['open', 'PAUSED', 'SOLD_OUT', 'refused', 'UNKNOWN'].includes(state);
  write(button, ['sending', 'retrying'].includes(state) ? text.busy : ready && state !== 'open' ? text.retry : text.claim);
  const hadFocus = document.activeElement === button;
  button.disabled = !ready;
  if (moved && hadFocus && !ready) at('state').focus(); // a disabled button would lose the keyboard's place
}

function stateOf(fresh) {
  if (fresh.status === 'ended') return 'ENDED';
  if (fresh.mine >= fresh.userLimit) return 'LIMIT_REACHED';
  if (client.serverNow() < fresh.beginsAtMs) return 'waiting';
  if (fresh.status === 'paused') return 'PAUSED';
  return fresh.left > 0 ? 'open' : 'SOLD_OUT';
}

const idle = () => ['loading', 'waiting', 'open', 'away', 'PAUSED', 'SOLD_OUT', 'LIMIT_REACHED', 'ENDED'].includes(state);

async function look() {
  try {
    const fresh = await client.coupon(couponId);
    coupon = fresh;
    if (idle()) show(stateOf(fresh));
    else show();
  } catch (error) {
    if (idle()) show(FINAL.has(error.code) ? error.code : 'away');
  }
}

// While it counts down it ticks; otherwise the page looks again every few seconds, not in step with others.
function live() {
  let next = 5000 + Math.random() * 5000;
  setInterval(() => {
    if (state !== 'waiting') return;
    if (coupon && client.serverNow() >= coupon.beginsAtMs) return show(stateOf(coupon));
    show();
  }, 100);
  const again = async () => {
    if (!document.hidden && idle() && !['LIMIT_REACHED', 'ENDED'].includes(state)) await look();
    next = state === 'away' ? 1000 + Math.random() * 2000 : 5000 + Math.random() * 5000;
    setTimeout(again, next);
  };
  setTimeout(again, next);
}

async function follow() {
  show('claimed');
  for (;;) {
    try {
      const outcome = await client.outcome(claimId);
      if (outcome.status === 'refused') forget();
      return show(outcome.status);
    } catch (error) {
      if (error.code === 'CLAIM_NOT_FOUND') {
        forget();
        return show('UNKNOWN');
      }
      await client.sleep(client.delayMs(4));
    }
  }
}

function forget() {
  begun = {};
  remember(begun);
}

async function claim() {
  if (['sending', 'retrying', 'claimed'].includes(state)) return; // the second of two clicks
  begun = { key: begun.key ?? newKey() };
  remember(begun);
  claimId = '';
  show('sending');
  try {
    const answer = await client.claim(couponId, { key: begun.key, onRetry: () => show('retrying') });
    claimId = answer.claimId;
    begun.claimId = claimId;
    remember(begun);
    await follow();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (TEXTS.en[error.code] && error.code !== 'UNKNOWN') forget(); // a refusal is not stored: the next try is a new claim
    show(error.code === 'NOT_STARTED' ? 'waiting' : TEXTS.en[error.code] ? error.code : 'UNKNOWN');
  }
  look();
}

at('claim').addEventListener('click', claim);
at('language').addEventListener('click', () => {
  language = language === 'en' ? 'zh' : 'en';
  show();
});
addEventListener('hashchange', () => location.reload());
show();
await look();
if (begun.claimId) {
  claimId = begun.claimId;
  follow();
} else if (begun.key && state === 'open') {
  claim(); // it was sent and its answer never seen: the same key tells
}
live();

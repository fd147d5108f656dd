// What is true of a coupon for who asks, and what the button offers. Pure: no browser in it.

// What one holds is judged before what the sale is: a winner is never told that he lost.
export function stateOf(coupon, serverNow) {
  if (coupon.mine >= coupon.userLimit) return 'LIMIT_REACHED';
  if (coupon.status === 'ended') return 'ENDED';
  if (serverNow < coupon.beginsAtMs) return 'waiting';
  if (coupon.status === 'paused') return 'PAUSED';
  return coupon.left > 0 ? 'open' : 'SOLD_OUT';
}

// A refusal after which nothing stands under the key: the coupon's rules were asked. After all others it may.
export function isJudged({ code, status }) {
  return status === 409 || status === 410 || code === 'COUPON_NOT_FOUND';
}

// The state after a refused claim. A judgement that this page has no words for is one all the same: no button, no doubt.
export function stateAfter(refusal, words) {
  if (refusal.code === 'NOT_STARTED') return 'waiting';
  if (refusal.code in words) return refusal.code;
  return isJudged(refusal) ? 'declined' : 'UNKNOWN';
}

// After these the button may try again, unless it is known that this would only be refused.
const RETRIES = new Set(['PAUSED', 'SOLD_OUT', 'BUSY', 'refused', 'lost']);
const HOPELESS = new Set(['ENDED', 'LIMIT_REACHED']);

// -> the button's word and whether it can be pressed; null: there is no button. `next`: what stateOf says of a further claim,
// null while that is not known.
export function buttonOf(state, { next = null, mine = 0 } = {}) {
  if (state === 'open') return { word: mine > 0 ? 'another' : 'claim', enabled: true };
  if (state === 'settled') return next === 'open' ? { word: 'another', enabled: true } : null;
  if (state === 'waiting') return { word: 'claim', enabled: false };
  if (state === 'sending' || state === 'retrying') return { word: 'busy', enabled: false };
  if (state === 'UNKNOWN') return { word: 'ask', enabled: true };
  return RETRIES.has(state) && !HOPELESS.has(next) ? { word: 'retry', enabled: true } : null;
}

// Of a countdown: whole seconds, rounded up, so that it ends when the sale begins.
export function clockParts(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  return { days: Math.floor(s / 86400), time: `${two(Math.floor(s / 3600) % 24)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` };
}

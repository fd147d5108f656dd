// Writes into the page what is known, in one language. A screen reader speaks only what has changed.
import { buttonOf, clockParts } from './states.js';
import { TEXTS, localeOf, windowText } from './texts.js';

export const at = (id) => document.getElementById(id);

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// known: { language, state, coupon (null: not seen yet), now (the server's), claimId, slow (the final confirmation does not come),
// unanswered (a claim was sent and nothing was heard), next (what a further claim would find; null: not known) }
export function paint(known) {
  const { language, state, coupon, claimId } = known;
  const text = TEXTS[language];
  const locale = localeOf(language, navigator.language);
  const number = (n) => new Intl.NumberFormat(locale).format(n);
  document.documentElement.lang = text.html;
  document.body.dataset.state = state;
  document.title = coupon ? `${coupon.name} · ${text.title}` : text.title;
  write(at('language'), text.other);
  at('language').lang = text.otherLang;
  at('language').hidden = false;
  write(at('name'), coupon ? coupon.name : text.title);
  write(at('facts'), coupon ? text.facts(number(coupon.left), number(coupon.total), number(coupon.userLimit)) : '');
  write(at('window'), coupon ? text.window(windowText(coupon.beginsAtMs, coupon.endsAtMs, locale)) : '');
  write(at('state'), sentence(known, text, number));
  write(at('detail'), claimId ? `${text.claimId} ${claimId}` : '');
  paintCountdown(known);
  paintButton(known, text);
}

// What one holds comes first; what the sale is, after it.
function sentence({ state, coupon, slow, unanswered }, text, number) {
  if (state === 'claimed') return slow ? text.slow : text.claimed;
  if (state === 'away') return unanswered ? text.awayKept : text.away;
  const said = text[state] ?? text.UNKNOWN;
  if (!coupon || state === 'sending' || state === 'retrying') return said;
  const held = coupon.mine > 0 ? text.held(number(coupon.mine), coupon.userLimit, number(coupon.userLimit)) : '';
  if (state === 'LIMIT_REACHED') return held || said;
  if (state === 'settled') return coupon.userLimit > 1 && held ? said + text.gap + held : said;
  const stranger = coupon.mine === undefined && ['waiting', 'open'].includes(state) ? text.UNAUTHENTICATED : '';
  return [held, said, stranger].filter(Boolean).join(text.gap);
}

function paintButton({ state, coupon, next }, text) {
  const button = at('claim');
  const offer = buttonOf(state, { next, mine: coupon?.mine });
  const lost = document.activeElement === button && !offer?.enabled; // a button that goes would lose the keyboard's place
  if (offer) write(button, text[offer.word]);
  button.hidden = !offer;
  button.disabled = !offer?.enabled;
  if (lost) at('state').focus();
}

export function paintCountdown({ language, state, coupon, now }) {
  at('countdown').hidden = state !== 'waiting';
  if (state !== 'waiting') return write(at('countdown'), '');
  const { days, time } = clockParts(coupon.beginsAtMs - now);
  write(at('countdown'), (days ? TEXTS[language].days(days) : '') + time);
}

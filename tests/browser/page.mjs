// The parts of the sale page that need no browser: what is true of a coupon, what the button offers, what a tab keeps, how it is written.
import assert from 'node:assert/strict';
import { Kept } from '../../engine/pages/web/kept.js';
import { buttonOf, clockParts, isJudged, stateAfter, stateOf } from '../../engine/pages/web/states.js';
import { TEXTS, localeOf, windowText } from '../../engine/pages/web/texts.js';

const hour = 3600 * 1000;
let now = 0;
const sale = { status: 'issuing', beginsAtMs: 1000, endsAtMs: 9000, total: 10, left: 4, userLimit: 2, mine: 0 };
const all = (change, at = 5000) => stateOf({ ...sale, ...change }, at);

class Storage {
  items = new Map();
  getItem(name) { return this.items.get(name) ?? null; }
  setItem(name, value) { this.items.set(name, value); }
}

const tests = {
  judgesWhatOneHoldsBeforeWhatTheSaleIs() {
    for (const change of [{ status: 'ended' }, { left: 0 }, { status: 'paused' }, { beginsAtMs: 8000 }, {}])
      assert.equal(all({ ...change, mine: 2 }), 'LIMIT_REACHED');
    assert.equal(all({ mine: 1 }), 'open');
    assert.equal(all({ mine: 1, left: 0 }), 'SOLD_OUT');
    assert.equal(all({ status: 'ended' }), 'ENDED');
    assert.equal(all({}, 999), 'waiting');
    assert.equal(all({}, 1000), 'open');
    assert.equal(all({ status: 'paused' }), 'PAUSED');
  },
  offersNoButtonThatCouldOnlyBeRefused() {
    for (const state of ['ENDED', 'LIMIT_REACHED', 'COUPON_NOT_FOUND', 'UNAUTHENTICATED', 'INVALID_REQUEST', 'claimed', 'declined', 'loading', 'fault'])
      assert.equal(buttonOf(state, { next: 'open' }), null, state);
    assert.deepEqual(buttonOf('open', { mine: 1 }), { word: 'another', enabled: true });
    assert.deepEqual(buttonOf('waiting'), { word: 'claim', enabled: false });
    assert.deepEqual(buttonOf('settled', { next: 'open' }), { word: 'another', enabled: true });
    for (const next of [null, 'LIMIT_REACHED', 'ENDED', 'SOLD_OUT', 'PAUSED']) assert.equal(buttonOf('settled', { next }), null);
    assert.deepEqual(buttonOf('refused', { next: 'open' }), { word: 'retry', enabled: true });
    assert.equal(buttonOf('refused', { next: 'ENDED' }), null);
    assert.equal(buttonOf('UNKNOWN', { next: 'ENDED' }).enabled, true); // the key still tells
  },
  takesAJudgementThatItDoesNotKnowForOne() {
    const after = (code, status) => stateAfter({ code, status }, TEXTS.en);
    for (const [code, status] of [['PAUSED', 409], ['SOLD_OUT', 409], ['LIMIT_REACHED', 409], ['ENDED', 410], ['COUPON_NOT_FOUND', 404]]) {
      assert.equal(after(code, status), code);
      assert.ok(isJudged({ code, status }));
    }
    assert.equal(after('NOT_STARTED', 409), 'waiting');
    assert.equal(after('SOME_NEW_RULE', 409), 'declined');
    assert.equal(after('SOME_NEW_RULE', 410), 'declined');
    for (const [code, status] of [['OUTCOME_UNKNOWN', 503], ['OUTCOME_UNKNOWN', 0], ['INTERNAL', 500], ['SOMETHING_NEW', 503], ['NOT_READY', 503]]) {
      assert.equal(after(code, status), 'UNKNOWN'); // it may stand: the key is kept, and asks
      assert.ok(!isJudged({ code, status }));
    }
    for (const [code, status] of [['UNAUTHENTICATED', 401], ['INVALID_REQUEST', 400]]) {
      assert.equal(after(code, status), code);
      assert.ok(!isJudged({ code, status }));
    }
  },
  hasAWordForEachStateAndButtonInBothLanguages() {
    assert.deepEqual(Object.keys(TEXTS.en).sort(), Object.keys(TEXTS.zh).sort());
    for (const text of Object.values(TEXTS))
      for (const word of Object.values(text)) assert.doesNotMatch(String(word), /\bkey\b|凭据/);
  },
  keepsWhatWasBegunForOnePersonOnly() {
    const storage = new Storage();
    const kept = new Kept(storage, '42', () => now);
    kept.open('7');
    assert.equal(kept.begin(() => 'a'), 'a');
    assert.equal(kept.begin(() => 'b'), 'a'); // until its answer is known
    kept.open('8');
    assert.ok(!kept.unanswered);
    kept.open('');
    assert.equal(kept.begin(() => 'c'), 'c');
    const again = new Kept(storage, '42', () => now);
    again.open('7');
    assert.ok(again.unanswered);
    again.accepted('42-1-1-0-0');
    assert.ok(!again.unanswered);
    again.settled();
    assert.deepEqual(again.begun, { claimId: '42-1-1-0-0' });
    assert.equal(again.begin(() => 'd'), 'd'); // a further claim has a key of its own
    assert.equal(storage.items.size, 1); // nothing of nobody
    const other = new Kept(storage, '43', () => now);
    other.open('7');
    assert.ok(!other.unanswered);
  },
  forgetsAKeyBeforeTheServerDoes() {
    const storage = new Storage();
    const kept = new Kept(storage, '42', () => now);
    kept.open('7');
    kept.begin(() => 'a');
    now = 19 * hour;
    assert.ok(kept.unanswered);
    kept.open('7');
    assert.ok(kept.unanswered);
    now = 21 * hour;
    assert.ok(!kept.unanswered); // also in a page that stayed open
    kept.open('7');
    assert.ok(!kept.unanswered);
    assert.equal(kept.begin(() => 'b'), 'b');
  },
  livesWithoutStorage() {
    for (const storage of [null, { getItem: () => '{"key":', setItem: () => { throw new Error('full'); } }]) {
      const kept = new Kept(storage, '42', () => now);
      kept.open('7');
      assert.equal(kept.begin(() => 'a'), 'a');
      assert.equal(kept.begin(() => 'b'), 'a');
    }
  },
  writesTimesAsTheReaderDoes() {
    assert.deepEqual(clockParts(1), { days: 0, time: '00:00:01' });
    assert.deepEqual(clockParts(2 * 86400000 + 3 * hour + 61000), { days: 2, time: '03:01:01' });
    assert.deepEqual(clockParts(-5), { days: 0, time: '00:00:00' });
    const from = Date.UTC(2026, 10, 30, 16, 30);
    assert.match(windowText(from, from + hour, 'en-GB', 'UTC'), /30 Nov 2026.*16:30.*17:30.*UTC/);
    assert.match(windowText(from, from + 24 * hour, 'zh-CN', 'Asia/Shanghai'), /2026\/12\/1.*00:30.*2026\/12\/2/);
    assert.equal(localeOf('en', 'en-US'), 'en-US');
    assert.equal(localeOf('zh', 'en-US'), 'zh-CN');
  },
};

for (const [name, test] of Object.entries(tests)) {
  now = 0;
  test();
  console.log('ok', name);
}

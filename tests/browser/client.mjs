// The JavaScript client against a real HTTP server that gives the answers of a script.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { Client, Refusal } from '../../engine/pages/web/client.js';

let script = [];
let seen = [];
const server = createServer((request, response) => {
  seen.push({ method: request.method, url: request.url, key: request.headers['idempotency-key'] });
  const step = script.shift();
  if (step === 'cut') return request.socket.destroy();
  if (step === 'hold') return;
  const [status, body, headers = {}] = step;
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const waits = [];
function client(options = {}) {
  script = [];
  seen = [];
  waits.length = 0;
  const made = new Client({ base: `http://127.0.0.1:${server.address().port}`, random: () => 0.5, ...options });
  made.sleep = async (ms) => { waits.push(ms); };
  return made;
}
const accepted = [202, { claimId: '1-1-1-0-0', couponId: '1', status: 'pending' }];
const refused = (status, code, headers) => [status, { code }, headers];

const tests = {
  async repeatsWithTheSameKeyUntilItKnows() {
    const shop = client();
    script = ['cut', refused(503, 'OUTCOME_UNKNOWN', { 'Retry-After': '2' }), refused(503, 'BUSY'), refused(429, 'RATE_LIMITED'),
      [502, '<html>'], [202, accepted[1], { 'Idempotent-Replayed': 'true' }]];
    const retries = [];
    const claim = await shop.claim(1, { onRetry: (problem) => retries.push(problem.code) });
    assert.equal(claim.claimId, '1-1-1-0-0');
    assert.equal(claim.replayed, true);
    assert.equal(seen.length, 6);
    assert.equal(new Set(seen.map((one) => one.key)).size, 1);
    assert.match(seen[0].key, /^[0-9a-f]{32}$/);
    assert.deepEqual(retries, ['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN', 'BUSY', 'RATE_LIMITED', 'OUTCOME_UNKNOWN']);
    assert.deepEqual(waits, [100, 2200, 400, 800, 1600]);
  },
  async neverRepeatsWhatIsFinal() {
    for (const code of ['SOLD_OUT', 'LIMIT_REACHED', 'NOT_STARTED', 'PAUSED', 'ENDED', 'COUPON_NOT_FOUND', 'UNAUTHENTICATED',
      'INVALID_REQUEST', 'INTERNAL']) {
      const shop = client();
      script = [refused(409, code)];
      await assert.rejects(shop.claim(1), (error) => error instanceof Refusal && error.code === code);
      assert.equal(seen.length, 1);
    }
  },
  async goesByTheStatusOfACodeThatItDoesNotKnow() {
    for (const status of [409, 410, 403, 500]) {
      const shop = client();
      script = [refused(status, 'SOME_NEW_RULE')];
      await assert.rejects(shop.claim(1), (error) => error.code === 'SOME_NEW_RULE' && error.status === status);
      assert.equal(seen.length, 1);
    }
    const shop = client();
    script = [refused(503, 'SOMETHING_NEW'), refused(429, 'SOMETHING_NEW'), refused(503, 'SOMETHING_NEW'), refused(409, 'SOLD_OUT')];
    await assert.rejects(shop.claim(1), (error) => error.code === 'SOLD_OUT');
    assert.equal(seen.length, 4);
  },
  async givesUpAfterItsAttempts() {
    const shop = client({ attempts: 3 });
    script = ['cut', 'cut', 'cut'];
    await assert.rejects(shop.claim(1), (error) => error.code === 'OUTCOME_UNKNOWN');
    assert.equal(seen.length, 3);
    assert.equal(waits.length, 2);
  },
  async staysWithinItsBoundsAndNeverUndercutsTheServer() {
    for (const random of [() => 0, () => 0.999999]) {
      const shop = client({ random });
      for (let attempt = 0; attempt < 30; ++attempt) {
        assert.ok(shop.delayMs(attempt) <= 8000);
        assert.ok(shop.delayMs(attempt, 3) >= 3000);
      }
    }
  },
  async followsAClaimToItsEnd() {
    const shop = client();
    const claim = { claimId: '1-1-1-0-0', couponId: '1' };
    script = [[200, { ...claim, status: 'pending' }], refused(503, 'NOT_READY'), [200, { ...claim, status: 'settled' }]];
    let pending = 0;
    assert.equal((await shop.outcome('1-1-1-0-0', { onPending: () => ++pending })).status, 'settled');
    assert.equal(pending, 1);
    assert.equal(seen[0].url, '/claims/1-1-1-0-0?wait=20s');
  },
  async countsByTheServersClockAndTrustsTheQuickestAnswer() {
    const shop = client({ now: () => now });
    let now = 1000;
    assert.equal(shop.serverNow(), null);
    const learn = (server, sentAt, receivedAt) => {
      now = receivedAt;
      shop.learnClock({ headers: new Headers(server ? { 'X-Server-Time-Ms': String(server) } : {}), sentAt, receivedAt });
    };
    learn(500000, 1000, 1100); // 100 ms there and back: it was 500000 at 1050
    assert.equal(shop.serverNow(), 500050);
    learn(502400, 3000, 4000); // slower, and it may be so: not better than what is known
    assert.equal(shop.serverNow(), 502950);
    learn(503002, 4010, 4020); // quicker
    assert.equal(shop.serverNow(), 503007);
    learn(null, 4010, 4020);
    assert.equal(shop.serverNow(), 503007);
  },
  async givesUpAClockThatAnAnswerContradicts() {
    for (const away of [216000, 30000, -30000]) { // it slept; or the server's clock was set back
      let now = 10;
      const shop = client({ now: () => now });
      const learn = (server, sentAt, receivedAt) => {
        now = receivedAt;
        shop.learnClock({ headers: new Headers({ 'X-Server-Time-Ms': String(server) }), sentAt, receivedAt });
      };
      learn(1000005, 0, 10);
      const server = 1000000 + 2000 + away;
      learn(server, 1600, 2400); // much slower than the first
      assert.equal(shop.serverNow(), server + 400);
      learn(server + 1000, 2990, 3010); // and a quick one soon makes it exact
      assert.equal(shop.serverNow(), server + 1010);
    }
  },
  async neverContradictsAProofOfTheServer() {
    let seed = 7;
    const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
    let now = 0;
    let ahead = 1e6; // of the server; it jumps
    const shop = client({ now: () => now });
    for (let i = 0; i < 20000; ++i) {
      if (random() < 0.01) ahead += (random() - 0.3) * 600000;
      const [out, back] = [random() * 2000, random() * 2000];
      const server = Math.floor(now + out + ahead);
      const sentAt = now;
      now += out + back;
      shop.learnClock({ headers: new Headers({ 'X-Server-Time-Ms': String(server) }), sentAt, receivedAt: now });
      assert.ok(Math.abs(shop.serverNow() - (now + ahead)) <= 4000 + 40, `${i}`);
      now += random() * 10000;
    }
  },
  async callsAFaultOfItsOwnAFault() {
    const shop = client({ headers: { 'X-User-Id': '\u4e03' } });
    await assert.rejects(shop.claim(1), TypeError);
    assert.deepEqual([seen.length, waits.length], [0, 0]);
    const clockless = client({ now: () => { throw new RangeError('ours'); } });
    await assert.rejects(clockless.coupon(1), RangeError);
    assert.equal(waits.length, 0);
  },
  async doesWithoutWhatYoungBrowsersHave() {
    const { timeout, any } = AbortSignal;
    delete AbortSignal.timeout;
    delete AbortSignal.any;
    try {
      const shop = client();
      script = [accepted];
      assert.equal((await shop.claim(1)).claimId, '1-1-1-0-0');
      const impatient = client({ timeoutMs: 50, attempts: 2 });
      script = ['hold', accepted];
      assert.equal((await impatient.claim(1)).claimId, '1-1-1-0-0');
      assert.equal(new Set(seen.map((one) => one.key)).size, 1);
    } finally {
      Object.assign(AbortSignal, { timeout, any });
    }
  },
  async asksBeforeItSendsAgain() {
    const shop = client();
    script = ['cut', accepted];
    let asked = 0;
    const beforeRetry = async () => {
      if (++asked === 1) throw new Refusal('OUTCOME_UNKNOWN');
    };
    await shop.claim(1, { beforeRetry });
    assert.deepEqual([asked, seen.length], [2, 2]); // the first was sent without asking, one was not sent at all
  },
  async endsWhenItIsTold() {
    const stop = new AbortController();
    const shop = client();
    script = ['cut', accepted];
    await assert.rejects(shop.claim(1, { signal: stop.signal, onRetry: () => stop.abort() }), { name: 'AbortError' });
    assert.equal(seen.length, 1);
    const held = client();
    script = ['hold'];
    const other = new AbortController();
    const claim = held.claim(1, { signal: other.signal });
    setTimeout(() => other.abort(), 50);
    await assert.rejects(claim, { name: 'AbortError' });
  },
  async callsASuccessThatCannotBeReadUnknown() {
    const shop = client();
    script = [[202, '{"claimId":"1-1-'], [200, 'null'], [200, '<html>'], accepted];
    assert.equal((await shop.claim(1)).claimId, '1-1-1-0-0');
    assert.equal(seen.length, 4);
    script = [[403, '<html>']];
    await assert.rejects(shop.claim(1), (error) => error.code === 'INVALID_ANSWER');
  },
};

for (const [name, test] of Object.entries(tests)) {
  await test();
  console.log('ok', name);
}
server.close();
server.closeAllConnections();
process.exit(); // the timers of fetch would keep it for 10 s

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
    let now = 1000;
    const shop = client({ now: () => now });
    assert.equal(shop.serverNow(), null);
    const answer = (server) => ({ headers: new Headers({ 'X-Server-Time-Ms': String(server) }) });
    now = 1100;
    shop.learnClock(answer(500000), 1000); // 100 ms there and back: it was 500000 at 1050
    assert.equal(shop.serverNow(), 500050);
    now = 3000;
    shop.learnClock(answer(900000), 2000); // slower: not believed
    assert.equal(shop.serverNow(), 501950);
    now = 3010;
    shop.learnClock(answer(600000), 3000);
    assert.equal(shop.serverNow(), 600005);
    shop.learnClock({ headers: new Headers() }, 3009);
    assert.equal(shop.serverNow(), 600005);
  },
};

for (const [name, test] of Object.entries(tests)) {
  await test();
  console.log('ok', name);
}
server.close();
server.closeAllConnections();

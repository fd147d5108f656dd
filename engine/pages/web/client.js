// A client of Flashclaim for browsers and node: claims with one Idempotency-Key until the truth is known, backs off with
// jitter, counts down on the server's clock. The policy per code stands in engine/http/retry.md; this is its other half.

// What to do about a code. Everything that is not here is final: the caller is told.
const AGAIN = new Set(['RATE_LIMITED', 'BUSY', 'NOT_READY', 'OUTCOME_UNKNOWN']);
const AGAIN_BY_STATUS = new Set([429, 503]); // of a code that is younger than this file
const CLOCK_TOLERANCE_MS = 20; // the server's word is in whole milliseconds, and was on its way from Redis

export class Refusal extends Error {
  constructor(code, status = 0, problem = null, requestId = null) {
    super(code);
    Object.assign(this, { code, status, problem, requestId, retryAfterS: 0 });
  }
}

export function newKey(random = globalThis.crypto) {
  const bytes = random.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class Client {
  // base: '' for the page's own origin. headers: who the user is, where no gateway says it.
  // attempts, firstMs, capMs: of the back-off; a Retry-After of the server is never undercut.
  constructor({ base = '', headers = {}, fetch = globalThis.fetch.bind(globalThis), random = Math.random,
    now = () => performance.now(), attempts = 8, firstMs = 200, capMs = 8000, timeoutMs = 10000 } = {}) {
    Object.assign(this, { base, headers, fetch, random, now, attempts, firstMs, capMs, timeoutMs });
    this.offset = null; // the server's clock minus ours, in ms
    this.bestRtt = Infinity;
  }

  // The server's clock in epoch milliseconds; null until an answer has told it.
  serverNow() {
    return this.offset === null ? null : this.now() + this.offset;
  }

  // Full jitter: anywhere between nothing and the doubled bound, plus what the server asked for.
  delayMs(attempt, retryAfterS = 0) {
    const bound = Math.min(this.capMs, this.firstMs * 2 ** attempt);
    return retryAfterS * 1000 + this.random() * bound;
  }

  // -> { couponId, name, status, beginsAtMs, endsAtMs, serverTimeMs, total, left, userLimit, userId?, mine? }
  coupon(id, options) {
    return this.repeat('GET', `/coupons/${id}`, options).then((answer) => answer.body);
  }

  // -> { claimId, couponId, status, replayed }. `key` makes it safe to repeat, also after a reload of the page.
  // Throws a Refusal: of what is final, or the last one when the attempts are used up: it may stand then, and the same key
  // tells. options: onRetry(refusal, attempt); beforeRetry: awaited before each sending but the first, may throw a Refusal;
  // signal: aborts. Any other exception is a fault of the program, never of the network.
  async claim(id, { key = newKey(), ...options } = {}) {
    const answer = await this.repeat('POST', `/coupons/${id}/receive`, { ...options, headers: { 'Idempotency-Key': key } });
    return { ...answer.body, replayed: answer.headers.get('Idempotent-Replayed') === 'true' };
  }

  // Until the claim is settled or refused; each poll waits at the server. onPending is called after each that waited in vain.
  async outcome(claimId, { waitS = 20, onPending = () => {}, ...options } = {}) {
    for (;;) {
      const answer = await this.repeat('GET', `/claims/${claimId}?wait=${waitS}s`,
        { ...options, timeoutMs: this.timeoutMs + waitS * 1000 });
      if (answer.body.status !== 'pending') return answer.body;
      onPending();
    }
  }

  async repeat(method, path, options = {}) {
    const attempts = options.attempts ?? this.attempts;
    for (let attempt = 0; ; ++attempt) {
      let refusal;
      try {
        if (attempt > 0) await options.beforeRetry?.();
        return await this.once(method, path, options);
      } catch (error) {
        if (!(error instanceof Refusal) || !isForAgain(error) || attempt + 1 >= attempts) throw error;
        refusal = error;
      }
      options.onRetry?.(refusal, attempt + 1);
      await this.sleep(this.delayMs(attempt, refusal.retryAfterS), options.signal);
    }
  }

  async once(method, path, { headers = {}, signal, timeoutMs = this.timeoutMs }) {
    const request = {
      method, cache: 'no-store', redirect: 'error',
      headers: new Headers({ Accept: 'application/json', ...this.headers, ...headers }), // throws by itself when they are wrong
    };
    const answer = await this.exchange(this.base + path, request, signal, timeoutMs);
    this.learnClock(answer);
    let body = null;
    try {
      body = JSON.parse(answer.text);
    } catch { /* of something between us and the server, or cut short */ }
    if (answer.ok && body !== null && typeof body === 'object') return { body, headers: answer.headers };
    // A success that cannot be read may stand, like one that never came.
    const code = (!answer.ok && body?.code) || (answer.ok || answer.status >= 500 ? 'OUTCOME_UNKNOWN' : 'INVALID_ANSWER');
    const refusal = new Refusal(code, answer.status, body, answer.headers.get('X-Request-Id'));
    refusal.retryAfterS = Number(answer.headers.get('Retry-After')) || 0;
    throw refusal;
  }

  // What the network does, and nothing else, is caught here: no answer at all is the same as OUTCOME_UNKNOWN.
  async exchange(url, request, signal, timeoutMs) {
    const stop = new AbortController(); // AbortSignal.timeout and .any are too young for many browsers
    const cancel = () => stop.abort();
    if (signal?.aborted) throw aborted(signal);
    signal?.addEventListener('abort', cancel);
    const timer = setTimeout(cancel, timeoutMs);
    const sentAt = this.now();
    try {
      const response = await this.fetch(url, { ...request, signal: stop.signal });
      const receivedAt = this.now();
      const { ok, status, headers } = response;
      return { ok, status, headers, sentAt, receivedAt, text: await response.text() };
    } catch {
      throw signal?.aborted ? aborted(signal) : new Refusal('OUTCOME_UNKNOWN');
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
    }
  }

  // The server read its clock between our sending and our receiving. That is a proof: server - received <= offset <= server -
  // sent. An offset that it contradicts is given up at once (a laptop slept, a clock was set); within its bounds half way is
  // the best guess, and the quickest answer is the best of all guesses.
  learnClock({ headers, sentAt, receivedAt }) {
    const server = Number(headers.get('X-Server-Time-Ms'));
    if (!server) return;
    const rtt = receivedAt - sentAt;
    const contradicted = this.offset < server - receivedAt - CLOCK_TOLERANCE_MS || this.offset > server - sentAt + CLOCK_TOLERANCE_MS;
    if (rtt > this.bestRtt && !contradicted) {
      this.bestRtt += 1; // an old measurement loses its weight: clocks drift
      return;
    }
    this.bestRtt = rtt;
    this.offset = server - (sentAt + receivedAt) / 2;
  }

  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted(signal));
      const cancel = () => {
        clearTimeout(timer);
        reject(aborted(signal));
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', cancel);
        resolve();
      }, ms);
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }
}

function isForAgain({ code, status }) {
  return AGAIN.has(code) || AGAIN_BY_STATUS.has(status);
}

function aborted(signal) {
  return signal.reason ?? new DOMException('aborted', 'AbortError');
}

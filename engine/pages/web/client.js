// A client of Flashclaim for browsers and node: claims with one Idempotency-Key until the truth is known, backs off with
// jitter, counts down on the server's clock. The policy per code stands in engine/http/retry.md; this is its other half.

// What to do about a code. Everything that is not here is final: the caller is told.
const AGAIN = new Set(['RATE_LIMITED', 'BUSY', 'NOT_READY', 'OUTCOME_UNKNOWN']);

export class Refusal extends Error {
  constructor(code, status, problem, requestId) {
    super(code);
    this.code = code;
    this.status = status;
    this.problem = problem;
    this.requestId = requestId;
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

  // -> { couponId, name, status, beginsAtMs, endsAtMs, serverTimeMs, total, left, userLimit, mine? }
  coupon(id, options) {
    return this.repeat('GET', `/coupons/${id}`, options).then((answer) => answer.body);
  }

  // -> { claimId, couponId, status, replayed }. `key` makes it safe to repeat, also after a reload of the page.
  // Throws a Refusal for what is final; rejects with the last problem when the attempts are used up: it may stand then,
  // and the same key tells.
  async claim(id, { key = newKey(), onRetry, signal } = {}) {
    const answer = await this.repeat('POST', `/coupons/${id}/receive`, { headers: { 'Idempotency-Key': key }, onRetry, signal });
    return { ...answer.body, replayed: answer.headers.get('Idempotent-Replayed') === 'true' };
  }

  // Until the claim is settled or refused; each poll waits at the server. onPending is called after each that waited in vain.
  async outcome(claimId, { waitS = 20, onPending = () => {}, onRetry, signal } = {}) {
    for (;;) {
      const answer = await this.repeat('GET', `/claims/${claimId}?wait=${waitS}s`,
        { onRetry, signal, timeoutMs: this.timeoutMs + waitS * 1000 });
      if (answer.body.status !== 'pending') return answer.body;
      onPending();
    }
  }

  async repeat(method, path, options = {}) {
    for (let attempt = 0; ; ++attempt) {
      let problem;
      try {
        return await this.once(method, path, options);
      } catch (error) {
        if (options.signal?.aborted) throw error;
        // No answer at all is the same as OUTCOME_UNKNOWN.
        problem = error instanceof Refusal ? error : new Refusal('OUTCOME_UNKNOWN', 0, null, null);
        if (!AGAIN.has(problem.code) || attempt + 1 >= this.attempts) throw problem;
      }
      options.onRetry?.(problem, attempt + 1);
      await this.sleep(this.delayMs(attempt, problem.retryAfterS), options.signal);
    }
  }

  async once(method, path, { headers = {}, signal, timeoutMs = this.timeoutMs }) {
    const began = this.now();
    const limit = AbortSignal.timeout(timeoutMs);
    const response = await this.fetch(this.base + path, {
      method,
      headers: { Accept: 'application/json', ...this.headers, ...headers },
      cache: 'no-store',
      redirect: 'error',
      signal: signal && AbortSignal.any ? AbortSignal.any([signal, limit]) : signal ?? limit,
    });
    this.learnClock(response, began);
    const text = await response.text();
    let body = null;
    try {
      body = JSON.parse(text);
    } catch {
      throw new Refusal(response.status >= 500 ? 'OUTCOME_UNKNOWN' : 'INVALID_ANSWER', response.status, null, null);
    }
    if (response.ok) return { body, headers: response.headers };
    const code = body.code ?? (response.status >= 500 ? 'OUTCOME_UNKNOWN' : 'INVALID_ANSWER');
    const refusal = new Refusal(code, response.status, body, response.headers.get('X-Request-Id'));
    refusal.retryAfterS = Number(response.headers.get('Retry-After')) || 0;
    throw refusal;
  }

  // The answer's clock was read between the request and its arrival: half way is the best guess, and the quickest answer is
  // the best of all guesses.
  learnClock(response, began) {
    const server = Number(response.headers.get('X-Server-Time-Ms'));
    if (!server) return;
    const rtt = this.now() - began;
    if (rtt > this.bestRtt) {
      this.bestRtt += 1; // an old measurement loses its weight: clocks drift
      return;
    }
    this.bestRtt = rtt;
    this.offset = server - (began + rtt / 2);
  }

  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(signal.reason);
      }, { once: true });
    });
  }
}

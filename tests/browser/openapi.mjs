// Lints engine/http/openapi.yaml, then asks a running engine for every answer that it names, and holds each of them to it.
// HTTP_URL, and engines of other kinds: DOWN_URL (its Redis is away), STALLED_URL (its Redis is silent now and then), LIMITED_URL (one request
// a second), GATEWAY_URL (believes signatures only); COUPONS: JSON of coupon ids by state,
// and `refusing`: by whom a claim of which coupon is refused with which code. Where there is a gateway
// (gateway.mjs), every request that names a user is signed.
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { passedOn } from './gateway.mjs';
import { load } from './packages.mjs';

const { parse } = await load('yaml');
const { Validator } = await load('@seriousme/openapi-schema-validator');
const { default: Ajv } = await load('ajv/dist/2020.js');

const spec = parse(readFileSync(new URL('../../engine/http/openapi.yaml', import.meta.url), 'utf8'));
const lint = await new Validator().validate(structuredClone(spec));
assert.ok(lint.valid, JSON.stringify(lint.errors));

const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addSchema(spec, 'spec');
const resolve = (node) => node?.$ref ? resolve(node.$ref.slice(2).split('/').reduce((at, part) => at[part], spec)) : node;
const check = (schema, value, what) => {
  const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"spec#/components'));
  assert.ok(ajv.validate(absolute, value), `${what}: ${ajv.errorsText()}: ${JSON.stringify(value)}`);
};

const coupons = JSON.parse(process.env.COUPONS);
const up = process.env.HTTP_URL;
const down = process.env.DOWN_URL;
const stalled = process.env.STALLED_URL;
const limited = process.env.LIMITED_URL;
const gateway = process.env.GATEWAY_URL;
const user = { 'X-User-Id': '7' };
const receive = '/coupons/{couponId}/receive';
const claims = '/claims/{claimId}';
const one = '/coupons/{couponId}';
const list = '/coupons';
const held = '/users/me/coupons';
const page = '/sale/{couponId}';

const left = new Set(); // what the document names and nobody has seen yet
for (const [path, item] of Object.entries(spec.paths))
  for (const method of ['get', 'post'])
    for (const [status, response] of Object.entries(item[method]?.responses ?? {})) {
      left.add(`${method} ${path} ${status}`);
      for (const name of Object.keys(resolve(response).headers ?? {})) left.add(`${method} ${path} ${status} ${name}`);
      for (const media of Object.values(resolve(response).content ?? {}))
        for (const code of codes(media.schema)) left.add(`${method} ${path} ${status} ${code}`);
    }

function codes(schema) {
  const code = resolve(schema).properties?.code;
  return code?.enum ?? (code?.const ? [code.const] : []);
}

// Who is told to wait waits, unless that is the wanted answer.
async function ask(method, url, headers, wanted) {
  for (;;) {
    const answer = await fetch(url, { method, headers: passedOn(method, url, headers) });
    if (answer.status !== 429 || wanted === 429) return answer;
    await new Promise((resume) => setTimeout(resume, 1000 * Number(answer.headers.get('Retry-After'))));
  }
}

async function see(method, path, parts, headers, status, code, base = up) {
  const url = base + path.replace(/\{\w+\}/, parts.id ?? '') + (parts.query ?? '');
  const answer = await ask(method, url, headers, status);
  const text = await answer.text();
  assert.equal(answer.status, status, `${method} ${url}: ${text}`);
  return judge(method, path, answer, text, code);
}

// What the document says of this answer. code: the wanted one, or a list of them.
function judge(method, path, answer, text, code) {
  const what = `${method} ${path} ${answer.status}`;
  const response = resolve(spec.paths[path][method].responses[String(answer.status)]);
  assert.ok(response, `${what} is not in the document`);
  left.delete(what);
  for (const [name, reference] of Object.entries(response.headers ?? {})) {
    const header = resolve(reference);
    if (answer.headers.has(name)) check(header.schema, answer.headers.get(name), `${what} ${name}`);
    else assert.ok(!header.required, `${what} lacks ${name}`);
    if (answer.headers.has(name)) left.delete(`${what} ${name}`);
  }
  if (!response.content) return assert.equal(text, '', what);
  const [type, media] = Object.entries(response.content)[0];
  assert.equal(answer.headers.get('Content-Type').split(';')[0], type, what);
  const body = type.endsWith('json') ? JSON.parse(text) : text;
  check(media.schema, body, what);
  if (code) assert.ok([code].flat().includes(body.code), `${what}: ${body.code} and not ${code}`);
  if (code) left.delete(`${what} ${body.code}`);
  return { body, headers: answer.headers };
}

// The first ones are on their way to a Redis that does not answer; who comes a second later is not let into that queue.
// This machine may be too slow for that once; the Redis falls silent again and again.
const wanted = ['OUTCOME_UNKNOWN', 'BUSY'].map((code) => `post ${receive} 503 ${code}`);
for (let round = 0; round < 20 && wanted.some((item) => left.has(item)); ++round) {
  const sent = [];
  for (let n = 0; n < 60; ++n) {
    const url = stalled + receive.replace('{couponId}', coupons.stalled);
    sent.push(ask('POST', url, { 'X-User-Id': String(100 + round * 60 + n) }));
    await new Promise((resume) => setTimeout(resume, 50));
  }
  for (const answer of await Promise.all(sent))
    judge('post', receive, answer, await answer.text(), answer.status === 202 ? null : ['OUTCOME_UNKNOWN', 'BUSY', 'NOT_READY']);
}

const keyed = { ...user, 'Idempotency-Key': 'walk-1' };
const first = await see('post', receive, { id: coupons.open }, keyed, 202);
const again = await see('post', receive, { id: coupons.open }, keyed, 202);
assert.deepEqual(again.body, first.body);
const claimId = first.body.claimId;
await see('post', receive, { id: coupons.open }, { ...user, 'Idempotency-Key': 'not this' }, 400, 'INVALID_REQUEST');
await see('post', receive, { id: coupons.open }, {}, 401, 'UNAUTHENTICATED');
await see('post', receive, { id: '999999' }, user, 404, 'COUPON_NOT_FOUND');
for (const { code, coupon, user: who } of coupons.refusing) {
  const status = ['409', '410'].find((one) => Object.values(spec.paths[receive].post.responses[one] ? resolve(
    spec.paths[receive].post.responses[one]).content : {}).some((media) => codes(media.schema).includes(code)));
  assert.ok(status, `${code} is not in the document: a 409 or 410 of ${receive}`);
  await see('post', receive, { id: coupon }, { 'X-User-Id': who }, Number(status), code);
}
await see('post', receive, { id: coupons.open }, user, 503, 'NOT_READY', down);
await see('get', claims, { id: claimId, query: '?wait=30s' }, user, 200);
await see('get', claims, { id: claimId, query: '?wait=soon' }, user, 400, 'INVALID_REQUEST');
await see('get', claims, { id: claimId }, { 'X-User-Id': '8' }, 404, 'CLAIM_NOT_FOUND');
await see('get', claims, { id: claimId }, user, 503, 'NOT_READY', down);
const all = await see('get', list, {}, {}, 200);
assert.ok(all.body.coupons.some((coupon) => coupon.couponId === coupons.later));
await see('get', list, {}, { 'If-None-Match': all.headers.get('ETag') }, 304);
await see('get', list, { query: '?limit=0' }, {}, 400, 'INVALID_REQUEST');
await see('get', list, {}, {}, 503, 'NOT_READY', down);
const shown = await see('get', one, { id: coupons.later }, user, 200);
await see('get', one, { id: coupons.later }, { ...user, 'If-None-Match': shown.headers.get('ETag') }, 304);
await see('get', one, { id: coupons.open }, { 'X-User-Id': 'x' }, 400, 'INVALID_REQUEST');
await see('get', one, { id: '999999' }, user, 404, 'COUPON_NOT_FOUND');
await see('get', one, { id: coupons.open }, user, 503, 'NOT_READY', down);
const mine = await see('get', held, { query: '?limit=1' }, user, 200);
assert.ok(mine.body.coupons.some((coupon) => coupon.claimId === claimId));
await see('get', held, { query: '?after=1' }, user, 400, 'INVALID_REQUEST');
await see('get', held, {}, {}, 401, 'UNAUTHENTICATED');
await see('get', held, {}, user, 503, 'NOT_READY', down);
const html = await see('get', page, { id: coupons.open }, {}, 200);
await see('get', page, { id: coupons.open }, { 'If-None-Match': html.headers.get('ETag') }, 304);
await see('get', page, { id: '042' }, {}, 404, 'COUPON_NOT_FOUND');
await see('get', claims, { id: claimId }, {}, 401, 'UNAUTHENTICATED', gateway);
const ids = { [receive]: coupons.open, [claims]: claimId, [one]: coupons.open, [page]: coupons.open };
for (const [path, item] of Object.entries(spec.paths)) {
  await ask('GET', limited + list, user, 429); // what this second allows
  await see(item.get ? 'get' : 'post', path, { id: ids[path] }, user, 429, 'RATE_LIMITED', limited);
}

// Every path but those of POST alone has HEAD, every one has OPTIONS that says so, and no other method.
for (const [path, item] of Object.entries(spec.paths)) {
  const url = up + path.replace('{couponId}', coupons.open).replace('{claimId}', claimId);
  const options = await fetch(url, { method: 'OPTIONS' });
  assert.equal(options.status, 204);
  assert.equal(options.headers.get('Allow'), item.get ? 'GET, HEAD, OPTIONS' : 'POST, OPTIONS');
  const head = await ask('HEAD', url, user, 200);
  assert.equal(head.status, item.get ? 200 : 405);
  assert.equal((await fetch(url, { method: 'DELETE' })).status, 405);
}

// A look-up is BUSY when a thread has 4,096 questions at Redis; which of the words for "none" belongs to which path is NotFound's.
const elsewhere = /^get .* 503 BUSY$|404 (CLAIM_NOT_FOUND|COUPON_NOT_FOUND|NOT_FOUND)$/;
const unseen = [...left].filter((item) => !elsewhere.test(item));
assert.deepEqual(unseen, [], 'the document names answers that nobody gave');
console.log('walked', Object.keys(spec.paths).length, 'paths');

// What a gateway in front adds to a request, when GATEWAY_KEYS names the file of its keys: its signature
// (engine/auth/README.md).
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';

const keys = process.env.GATEWAY_KEYS;
const [id, secret] = keys ? readFileSync(keys, 'utf8').split('\n')[0].split(' ') : [];
export const signs = Boolean(keys);

// The same headers in small letters; signed when they name a user.
export function passedOn(method, url, headers) {
  const all = Object.fromEntries(new Headers(headers));
  const user = all['x-user-id'];
  if (!signs || user === undefined) return all;
  const time = String(Math.floor(Date.now() / 1000));
  const lines = [method.toUpperCase(), new URL(url).pathname, user, time];
  const key = all['idempotency-key'];
  if (key !== undefined) lines.push(`idempotency-key:${key}`);
  const signature = createHmac('sha256', Buffer.from(secret, 'hex')).update(lines.join('\n')).digest('hex');
  return { ...all, 'x-auth-time': time, 'x-auth-key': id, 'x-auth-signature': signature };
}

// The sale page in headless Chromium against the running stack: sale.mjs SCENARIO. What a scenario needs is in tab.mjs.
import assert from 'node:assert/strict';
import { browser } from './tab.mjs';
import * as claims from './sale_claims.mjs';
import * as looks from './sale_looks.mjs';
import * as people from './sale_people.mjs';

const scenarios = { ...claims, ...looks, ...people };
try {
  const page = await scenarios[process.argv[2]]();
  assert.deepEqual(page.faults, []);
} finally {
  await browser.close();
}

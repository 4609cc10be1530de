import assert from 'node:assert/strict';
import { test } from 'node:test';
import { neverAborts } from '../../base/abort.ts';
import { resolvesTo } from '../../base/resolves-to.ts';
import { NameResolution } from './resolution.ts';

const signal = neverAborts();

test('a name counts as found only with the right address', async () => {
  const options = { deadlineMs: 5_000, signal };
  assert.equal(await resolvesTo('localhost', { ...options, address: '127.0.0.1' }), true);
  assert.equal(await resolvesTo('localhost', { ...options, address: '127.0.0.2' }), false);
  assert.equal(await resolvesTo('x'.repeat(64), { ...options, address: '127.0.0.1' }), false);
  await assert.rejects(resolvesTo('localhost', { ...options, address: '', signal: AbortSignal.abort() }), {
    name: 'AbortError',
  });
});

test('names are not found while the DNS server does not listen; the answer is kept for a while', async () => {
  let count = 0;
  const resolution = new NameResolution({
    status: async () => {
      count += 1;
      return { dns: { state: 'failed', address: '127.0.0.1', port: 1 }, gateway: { state: 'off' } };
    },
  });
  const answers = await Promise.all([resolution.isResolved(), resolution.isResolved()]);
  assert.deepEqual([...answers, await resolution.isResolved()], [false, false, false]);
  assert.equal(count, 1);
});

test('a resolver that hangs does not hold a caller', async () => {
  const resolution = new NameResolution({ status: () => new Promise(() => {}) });
  const begun = performance.now();
  assert.equal(await resolution.isResolved(), false);
  assert.ok(performance.now() - begun < 5_000);
});

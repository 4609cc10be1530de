import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { neverAborts } from './abort.ts';
import { Slots } from './slots.ts';

const signal = neverAborts();

test('only as many callers as there are slots get one at a time; the others wait in order', async () => {
  const slots = new Slots(2);
  const [first, second] = [await slots.take({ signal }), await slots.take({ signal })];
  const seen: number[] = [];
  const later = [3, 4].map(async (number) => {
    const slot = await slots.take({ signal });
    seen.push(number);
    return slot;
  });
  await turn();
  assert.deepEqual(seen, []);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  await turn();
  assert.deepEqual(seen, [3]);
  second[Symbol.dispose]();
  await Promise.all(later);
  assert.deepEqual(seen, [3, 4]);
});

test('a caller that stops waiting takes no slot', async () => {
  const slots = new Slots(1);
  const first = await slots.take({ signal });
  const controller = new AbortController();
  const waiting = slots.take(controller);
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  const next = slots.take({ signal });
  first[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  await slots.take({ signal });
});

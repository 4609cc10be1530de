import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { IdleMemory } from './idle-memory.ts';

/** A watch whose clock the test moves. */
function watched(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const state = { active: 0, collections: 0 };
  const made = new IdleMemory({
    activeCount: () => state.active,
    collect: () => {
      state.collections += 1;
    },
    idleMs: 100,
  });
  return { made, state, pass: (ms: number): void => t.mock.timers.tick(ms) };
}

test('it collects once after each busy time', (t) => {
  const { made, state, pass } = watched(t);
  using memory = made;
  pass(99);
  assert.equal(state.collections, 0);
  pass(1);
  assert.equal(state.collections, 1, 'the start of the daemon is a busy time');
  pass(10_000);
  assert.equal(state.collections, 1, 'nothing has happened since');
  memory.touch();
  pass(99);
  memory.touch();
  pass(99);
  assert.equal(state.collections, 1, 'each request starts the time anew');
  pass(1);
  assert.equal(state.collections, 2);
});

test('a long request keeps it from collecting, until it has ended', (t) => {
  const { made, state, pass } = watched(t);
  using memory = made;
  memory.touch();
  state.active = 1;
  pass(10_000);
  assert.equal(state.collections, 0);
  state.active = 0;
  memory.touch();
  pass(100);
  assert.equal(state.collections, 1);
});

test('it collects nothing after its end', (t) => {
  const { made, state, pass } = watched(t);
  made[Symbol.dispose]();
  pass(10_000);
  assert.equal(state.collections, 0);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResourceStack } from './resource-stack.ts';

test('disposing runs the steps once, last in first out', async () => {
  const seen: number[] = [];
  const stack = new ResourceStack();
  for (const step of [1, 2, 3]) stack.defer(`step ${step}`, () => void seen.push(step));
  await stack[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
  assert.deepEqual(seen, [3, 2, 1]);
});

test('a failing step does not prevent the others, and each failure is reported', async () => {
  const seen: string[] = [];
  const stack = new ResourceStack();
  const why = new Error('why');
  stack.defer('first', () => void seen.push('first'));
  stack.defer('second', () => Promise.reject(why));
  stack.defer('third', () => {
    throw why;
  });
  await assert.rejects(stack[Symbol.asyncDispose](), (error) => {
    assert.ok(error instanceof AggregateError);
    assert.equal(error.message, 'third failed; second failed');
    assert.deepEqual(
      error.errors.map((e: Error) => e.cause),
      [why, why],
    );
    return true;
  });
  assert.deepEqual(seen, ['first']);
});

test('move() passes all steps to the new owner', async () => {
  const seen: string[] = [];
  const stack = new ResourceStack();
  stack.defer('step', () => void seen.push('ran'));
  const moved = stack.move();
  await stack[Symbol.asyncDispose]();
  assert.deepEqual(seen, []);
  await moved[Symbol.asyncDispose]();
  assert.deepEqual(seen, ['ran']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JOB, JOBS, parseAnswer } from './answers.ts';

const honest = { id: 'ab', command: ['x'], pid: 1, isRunning: true, startedMs: 1, first: 0, next: 5 };

test('a list of jobs is cut to as many as an agent keeps, and each of them is checked', () => {
  const read = (jobs: unknown): unknown =>
    parseAnswer(Buffer.from(JSON.stringify({ jobs })), { action: 'list', answer: JOBS });
  const many = Array.from({ length: 1_000 }, () => honest);
  assert.deepEqual(read(many), { jobs: many.slice(0, 64) });
  for (const lie of [
    { id: '../x' },
    { id: '' },
    { first: 6 },
    { next: -1 },
    { next: 2 ** 60 },
    { startedMs: 8_640_000_000_000_001 },
    { exit: { code: 999 } },
    { exit: { signal: 'S', number: 1e9 } },
    { command: Array.from({ length: 1_025 }, () => '') },
    { command: ['x'.repeat(1_025)] },
    { user: 5 },
  ]) {
    assert.throws(() => read([{ ...honest, ...lie }]), { code: 'GUEST_PROTOCOL' }, JSON.stringify(lie));
  }
});

test('what a guest answers as a job is a job without control characters, or breaks the protocol', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom(...Object.keys(honest), 'exit', 'user'), fc.jsonValue()),
      (lies) => {
        try {
          const body = Buffer.from(JSON.stringify({ ...honest, ...lies }));
          const { command, user, startedMs } = parseAnswer(body, { action: 'start', answer: JOB });
          assert.doesNotMatch([...command, user ?? ''].join(''), /\p{Cc}/u);
          new Date(startedMs).toISOString();
        } catch (error) {
          assert.equal((error as { code: string }).code, 'GUEST_PROTOCOL', String(error));
        }
      },
    ),
  );
});

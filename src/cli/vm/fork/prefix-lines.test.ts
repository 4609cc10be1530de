import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { prefixLines } from './prefix-lines.ts';

test('each line begins with the name and is otherwise unchanged, however the output is split', async () => {
  const chunks = fc.array(
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes.map((b) => (b < 60 ? 10 : b)))),
  );
  await fc.assert(
    fc.asyncProperty(chunks, async (pieces) => {
      const whole = Buffer.concat(pieces).toString('latin1');
      const puts: Buffer[] = [];
      const prefixer = prefixLines('web', async (lines) => void puts.push(lines));
      for (const piece of pieces) await prefixer.push(piece);
      await prefixer.end();
      const lines = whole.split('\n');
      if (lines.at(-1) === '') lines.pop();
      assert.equal(Buffer.concat(puts).toString('latin1'), lines.map((line) => `web | ${line}\n`).join(''));
      for (const put of puts) assert.equal(put.at(-1), 10, 'only complete lines are written');
    }),
  );
});

test('a line without an end is passed on in parts, and not kept', async () => {
  const puts: Buffer[] = [];
  const prefixer = prefixLines('web', async (lines) => void puts.push(lines));
  for (let at = 0; at < 100; at += 1) await prefixer.push(Buffer.alloc(10_000, 'x'));
  assert.ok(puts.length >= 14, `${puts.length} parts`);
  await prefixer.end();
  const whole = Buffer.concat(puts).toString();
  assert.equal(whole.replaceAll(/^web \| |\n/gm, ''), 'x'.repeat(1_000_000));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LastLine } from './last-line.ts';

const isOpen = (...chunks: string[]): boolean => {
  const line = new LastLine();
  for (const chunk of chunks) line.see(Buffer.from(chunk, 'latin1'));
  return line.isOpen;
};

test('output that ends in the middle of a line is distinguished from complete lines and from no output', () => {
  for (const chunks of [['ok'], ['a\n', 'b'], ['a', '\u001b[31m'], ['a\u001b[', '0m'], ['x'.repeat(1_000)]]) {
    assert.equal(isOpen(...chunks), true, JSON.stringify(chunks));
  }
  for (const chunks of [
    [],
    ['ok\n'],
    ['ok\r\n'],
    ['50 %\r'],
    ['a', '\n\u001b[0m'],
    ['\u001b[0m'],
    ['full\u001b[?1049l'],
  ]) {
    assert.equal(isOpen(...chunks), false, JSON.stringify(chunks));
  }
});

import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { capLog } from './console-log.ts';

let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cap-'));
  path = join(dir, 'console.log');
});

afterEach(() => rmSync(dir, { recursive: true }));

function fill(lines: number): void {
  writeFileSync(
    path,
    Array.from({ length: lines }, (_, i) => `line ${String(i).padStart(6, '0')}\n`).join(''),
  );
}

test('a log within its limit stays unchanged', () => {
  fill(100);
  const before = readFileSync(path);
  assert.equal(capLog(path, { maxBytes: before.length }), 0);
  assert.deepEqual(readFileSync(path), before);
});

test('a missing log is not an error', () => {
  assert.equal(capLog(path, { maxBytes: 1 }), 0);
});

test('a log beyond its limit keeps whole newest lines, at most half the limit', () => {
  fill(10_000);
  const before = statSync(path).size;
  const cut = capLog(path, { maxBytes: 20_000 });
  const text = readFileSync(path, 'utf8');
  const [first, ...rest] = text.split('\n');
  assert.equal(first, `[${cut} older bytes cut]`);
  assert.equal(rest.join('\n').length, before - cut);
  assert.ok(before - cut <= 10_000 && before - cut > 9_900);
  assert.match(rest[0] ?? '', /^line \d{6}$/);
  assert.equal(rest.at(-2), 'line 009999');
});

test('a writer that appends continues in the same file', () => {
  fill(10_000);
  const writer = openSync(path, 'a');
  capLog(path, { maxBytes: 1000 });
  writeSync(writer, 'after\n');
  appendFileSync(path, 'and after\n');
  const text = readFileSync(path, 'utf8');
  assert.ok(text.endsWith('line 009999\nafter\nand after\n'));
  assert.ok(text.length < 700);
});

test('a log of one endless line is cut, too', () => {
  writeFileSync(path, 'x'.repeat(100_000));
  capLog(path, { maxBytes: 1000 });
  assert.ok(statSync(path).size < 600);
});

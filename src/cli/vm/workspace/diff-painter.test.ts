import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStyle } from '../../render/style.ts';
import { cutLines, diffPainter } from './diff-painter.ts';

const DIFF = [
  'diff --git a/x b/x',
  '--- a/x',
  '+++ b/x',
  '@@ -1,2 +1,2 @@',
  '--- was a list',
  '+++ is one',
  ' same',
  '@@ -9 +9,0 @@',
  '-gone',
  '\\ No newline at end of file',
  'diff --git a/y b/y',
];

test('the counts of a hunk decide what is a header, whatever the lines look like', () => {
  const paint = diffPainter({
    ...createStyle({ isColored: false }),
    red: (text) => `red ${text}`,
    green: (text) => `green ${text}`,
    cyan: (text) => `cyan ${text}`,
    bold: (text) => `bold ${text}`,
  });
  assert.deepEqual(DIFF.map(paint), [
    'bold diff --git a/x b/x',
    'bold --- a/x',
    'bold +++ b/x',
    'cyan @@ -1,2 +1,2 @@',
    'red --- was a list',
    'green +++ is one',
    ' same',
    'cyan @@ -9 +9,0 @@',
    'red -gone',
    '\\ No newline at end of file',
    'bold diff --git a/y b/y',
  ]);
});

test('nothing in a line reaches the terminal as a control character', () => {
  const paint = diffPainter(createStyle({ isColored: false }));
  assert.equal(paint('+\u001b[8mhidden\r\tx\u009b2J\u202e\u2028y'), '+^[[8mhidden^M\tx^?2J\ufffd y');
});

test('cutLines() returns the same lines however the bytes are cut, and only the beginning of a long one', () => {
  const long = `+${'x'.repeat(50_000)}`;
  const text = Buffer.from(`${[...DIFF, long, 'ü'].join('\n')}\n`);
  for (const size of [1, 7, 4096, text.length]) {
    const push = cutLines();
    const lines: string[] = [];
    for (let at = 0; at < text.length; at += size) lines.push(...push(text.subarray(at, at + size)));
    assert.deepEqual(lines, [...DIFF, `${long.slice(0, 10_000)}…`, 'ü']);
  }
});

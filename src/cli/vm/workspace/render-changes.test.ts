import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangedFile } from '../../../sdk/workspace/changed-files.ts';
import { createStyle } from '../../render/style.ts';
import { nameStatusLines, statLines } from './render-changes.ts';

const file = (path: string, more: Partial<ChangedFile> = {}): ChangedFile => ({
  ...{ path, status: 'modified', insertions: 0, deletions: 0, isBinary: false },
  ...more,
});
const style = createStyle({ isColored: false });

test('statLines() shows lines to scale, within the width, and their sums', () => {
  const files = [
    file('src/a.ts', { insertions: 1 }),
    file(`src/${'long'.repeat(30)}`, { insertions: 300, deletions: 100 }),
    file('b.png', { isBinary: true, status: 'added' }),
  ];
  const lines = statLines(files, { style, width: 60 }).split('\n');
  assert.match(lines[0] ?? '', /^ src\/a\.ts +\| {3}1 \+$/);
  assert.match(lines[1] ?? '', /^ src\/longlong.*… \| 400 \+{15}-{5}$/);
  assert.match(lines[2] ?? '', /^ b\.png +\| Bin$/);
  assert.equal(lines[3], ' 3 files changed, 301 insertions, 100 deletions');
  assert.ok(lines.every((line) => line.length <= 60));
});

test('a name cannot forge a line', () => {
  assert.equal(nameStatusLines([file('a\nD\tb', { status: 'added' })]), 'A\ta D b\n');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lostPaths } from './lost-paths.ts';
import type { TreeChange } from './tree-changes.ts';

const entry = { mode: '100644', object: '1'.repeat(40) };
const edited: TreeChange = { path: 'edited', before: entry, after: entry };
const deleted: TreeChange = { path: 'deleted', before: entry };
const made: TreeChange = { path: 'made', after: entry };
const changes = [edited, deleted, made];

function printed(before: string[], after: string[], found: string[]): Buffer {
  const diff = (status: string, path: string): string => `:100644 100644 1 0 ${status}\0${path}\0`;
  const part = (lines: string[]): string =>
    lines.map((line) => diff(line.slice(0, 1), line.slice(2))).join('');
  const names = found.map((name) => `${name}\0`).join('');
  return Buffer.from(`${part(before)}\0${part(after)}\0${names}\0`, 'latin1');
}

for (const [what, output, lost] of [
  ['an edit of the guest', printed(['M edited'], ['M edited'], []), ['edited']],
  ['an edit that both have made', printed(['M edited'], [], []), []],
  [
    'a deletion in the guest of what the host has edited',
    printed(['D edited'], ['D edited'], []),
    ['edited'],
  ],
  ['a deletion by both', printed(['D deleted'], [], []), []],
  ['an edit of what the host has deleted', printed(['M deleted'], [], []), ['deleted']],
  ['a file that both have made, to the same content', printed([], [], ['made']), []],
  ['a file that both have made, to different content', printed([], ['M made'], ['made']), ['made']],
  ['a file inside a folder where a file is to be', printed([], ['D made'], ['./made/x']), ['made/x']],
  ['a file where a folder is to be', printed([], [], ['folder']), ['folder']],
  ['a file that the host has deleted where a folder is to be', printed([], [], ['deleted']), []],
] as const) {
  test(`lostPaths() ${lost.length > 0 ? 'names' : 'leaves out'} ${what}`, () => {
    assert.deepEqual(lostPaths(output, changes), lost);
  });
}

/** What the guest's own index says of files with a filter. */
function withIndex(entries: string[], changed: string[]): Buffer {
  const differs = printed(['M edited', 'M deleted'], ['M edited'], []);
  const listed = entries.map((path) => `100644 ${entry.object} 0\t${path}\0`).join('');
  const diff = changed.map((path) => `:100644 100644 1 0 M\0${path}\0`).join('');
  return Buffer.concat([differs, Buffer.from(`${listed}\0${diff}\0`, 'latin1')]);
}

for (const [what, output, lost] of [
  ['what it holds as it was sent', withIndex(['edited', 'deleted'], []), []],
  ['what its files differ from', withIndex(['edited', 'deleted'], ['edited']), ['edited']],
  ['nothing', withIndex([], []), ['deleted', 'edited']],
] as const) {
  test(`lostPaths() believes the index of a guest that runs no filter: ${what}`, () => {
    assert.deepEqual(lostPaths(output, changes), lost);
  });
}

test('lostPaths() does not believe an index with another object', () => {
  const other = Buffer.from(
    withIndex(['edited'], []).toString('latin1').replace(entry.object, '2'.repeat(40)),
    'latin1',
  );
  assert.deepEqual(lostPaths(other, changes), ['deleted', 'edited']);
});

test('lostPaths() takes anything that a guest may print', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.ok(Array.isArray(lostPaths(Buffer.from(bytes), changes)));
    }),
  );
});

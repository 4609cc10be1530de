import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../../base/errors.ts';
import { changesBetween, foldersOf, parseTree, parseTreeDiff, type TreeEntry } from './tree-changes.ts';

const ID = '1'.repeat(40);
const OTHER = '2'.repeat(40);

test('parseTree() reads git ls-tree and git ls-files, whatever is in the names', () => {
  const tree = parseTree(
    Buffer.from(
      `100644 blob ${ID}\ta\tb\nc\x00120000 ${OTHER} 0\tlink\xff\x00160000 commit ${ID}\tsubmodule\0`,
      'latin1',
    ),
  );
  assert.deepEqual(
    [...tree],
    [
      ['a\tb\nc', { mode: '100644', object: ID }],
      ['link\xff', { mode: '120000', object: OTHER }],
    ],
  );
});

test('parseTree() of anything that a guest may print accepts no path that leaves the tree', () => {
  const path = fc
    .array(fc.constantFrom('..', '.', '.git', '.GIT', 'a', '', '-rf'), { minLength: 1, maxLength: 3 })
    .map((parts) => parts.join('/'));
  const record = fc.oneof(
    path.map((name) => `100644 blob ${ID}\t${name}`),
    fc.string({ unit: 'binary-ascii', maxLength: 30 }),
  );
  fc.assert(
    fc.property(fc.array(record, { maxLength: 6 }), (records) => {
      try {
        const tree = parseTree(Buffer.from(records.map((each) => `${each}\0`).join(''), 'latin1'));
        for (const name of tree.keys()) {
          assert.equal(
            name.split('/').some((part) => /^(|\.|\.\.|\.git)$/i.test(part)),
            false,
            name,
          );
        }
      } catch (error) {
        if (!isAppError(error, 'WORKSPACE_GIT_FAILED')) throw error;
      }
    }),
  );
});

test('changesBetween() leads from one tree to the other', () => {
  const entry = fc
    .tuple(fc.constantFrom('100644', '100755', '120000'), fc.constantFrom(ID, OTHER))
    .map(([mode, object]): TreeEntry => ({ mode, object }));
  const path = fc.constantFrom('a', 'b', 'c/d', 'e');
  const tree = fc.array(fc.tuple(path, entry)).map((all) => new Map<string, TreeEntry>(all));
  fc.assert(
    fc.property(tree, tree, (before, after) => {
      const made = new Map(before);
      for (const change of changesBetween(before, after)) {
        assert.deepEqual(change.before, before.get(change.path));
        if (change.after) made.set(change.path, change.after);
        else made.delete(change.path);
      }
      assert.deepEqual(made, after);
    }),
  );
});

test('parseTreeDiff() has what was before and after, or neither for what is no file', () => {
  const zero = '0'.repeat(40);
  const diff = `:100644 000000 ${ID} ${zero} D\0gone\0:000000 120000 ${zero} ${ID} A\0new\n\0`;
  assert.deepEqual(parseTreeDiff(Buffer.from(diff, 'latin1')), [
    { path: 'gone', before: { mode: '100644', object: ID } },
    { path: 'new\n', after: { mode: '120000', object: ID } },
  ]);
});

test('foldersOf() names every folder above a path once, the deepest first', () => {
  assert.deepEqual(foldersOf(['a/b/c', 'a/b/d', 'e']), ['a/b', 'a']);
});

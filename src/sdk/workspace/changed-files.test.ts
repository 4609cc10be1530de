import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseChanges } from './changed-files.ts';

const ZERO = '0'.repeat(40);
const ONE = '1'.repeat(40);

test('parseChanges() joins both lists of git', () => {
  const output = [
    `:100644 100755 ${ONE} ${ZERO} M`,
    'a\tb\n',
    `:000000 120000 ${ZERO} ${ONE} A`,
    '\xc3\xbc',
    `:100644 000000 ${ONE} ${ZERO} D`,
    'c',
    '2\t11\ta\tb\n',
    '-\t-\t\xc3\xbc',
    '0\t3\tc',
    '',
  ].join('\0');
  assert.deepEqual(parseChanges(Buffer.from(output, 'latin1')), [
    {
      ...{ path: 'a\tb\n', status: 'modified', oldMode: '100644', newMode: '100755' },
      ...{ insertions: 2, deletions: 11, isBinary: false },
    },
    { path: 'ü', status: 'added', newMode: '120000', insertions: 0, deletions: 0, isBinary: true },
    { path: 'c', status: 'deleted', oldMode: '100644', insertions: 0, deletions: 3, isBinary: false },
  ]);
  assert.deepEqual(parseChanges(Buffer.alloc(0)), []);
});

test('parseChanges() accepts nothing that git does not print', () => {
  const entry = `:100644 100644 ${ONE} ${ZERO} M\0a\0`;
  for (const wrong of [
    `${entry}1\t1\tb\0`,
    `${entry}${entry}`,
    entry.slice(0, -1),
    `:100644 100644 ${ONE} ${ZERO} X\0a\0`,
    `:100644 100644 ${ONE} ${ZERO} M\0`,
    `${entry}1\t9999999999999999\ta\0`,
  ]) {
    assert.equal(parseChanges(Buffer.from(wrong)), undefined, JSON.stringify(wrong));
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const found = parseChanges(Buffer.from(bytes));
      assert.ok(found === undefined || found.length === 0);
    }),
  );
});

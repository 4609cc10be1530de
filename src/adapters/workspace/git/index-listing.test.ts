import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AppError } from '../../../base/errors.ts';
import { parseIndexListing } from './index-listing.ts';

const ID = '1'.repeat(40);

function listing(...records: string[]): Buffer {
  return Buffer.from(records.map((record) => `${record}\0`).join(''), 'latin1');
}

test('parseIndexListing() lists each path once, and the paths that git does not check', () => {
  const parsed = parseIndexListing(
    listing(
      `H 100644 ${ID} 0\ta\tb\nc`,
      `h 100755 ${ID} 0\tassumed`,
      `M 100644 ${ID} 1\tconflict`,
      `M 100644 ${ID} 2\tconflict`,
      `M 100644 ${ID} 3\tconflict`,
      `S 100644 ${ID} 0\tskipped`,
      `H 160000 ${ID} 0\tsub\xff`,
    ),
  );
  const { digest, ...entries } = parsed;
  assert.match(digest, /^[0-9a-f]{64}$/);
  assert.deepEqual(entries, {
    paths: ['a\tb\nc', 'assumed', 'conflict', 'skipped', 'sub\xff'],
    unchecked: ['assumed', 'conflict', 'skipped'],
    unmerged: ['conflict'],
    gitlinks: ['sub\xff'],
  });
  assert.deepEqual(parseIndexListing(Buffer.alloc(0)).paths, []);
});

test('parseIndexListing() refuses exactly the paths with a part that leaves the tree', () => {
  const part = fc.constantFrom(
    '',
    '.',
    '..',
    '.git',
    '.GIT',
    '...',
    '.gitignore',
    'a',
    '..a',
    'a.git',
    ' ',
    '-',
  );
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
      const isBad = parts.some((name) => /^(|\.|\.\.|\.git)$/i.test(name));
      const parse = () => parseIndexListing(listing(`H 100644 ${ID} 0\t${parts.join('/')}`));
      if (isBad)
        assert.throws(parse, (error) => error instanceof AppError && error.code === 'WORKSPACE_GIT_FAILED');
      else assert.equal(parse().paths.length, 1);
    }),
  );
});

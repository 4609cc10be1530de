import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseState } from './guest-tree.ts';

const ID = '1'.repeat(40);
const SENT = '2'.repeat(40);

test('parseState() tells HEAD, the branches and the tree that was sent', () => {
  const output = `ref: refs/heads/main\n${ID} refs/heads/main\n${SENT} refs/banger/sent\n`;
  assert.deepEqual(parseState(Buffer.from(output)), {
    headRef: 'refs/heads/main',
    headCommit: ID,
    sentCommit: SENT,
    branches: new Map([['refs/heads/main', ID]]),
  });
  assert.deepEqual(parseState(Buffer.from(`${ID}\n`)), { headCommit: ID, branches: new Map() });
  assert.deepEqual(parseState(Buffer.from('ref: refs/heads/none\n')), {
    headRef: 'refs/heads/none',
    branches: new Map(),
  });
});

test('parseState() of anything that a guest may print has only names and commits that are such', () => {
  const line = fc.oneof(
    fc.string({ unit: 'binary-ascii' }),
    fc.constantFrom(`${ID} refs/heads/a b`, `${ID} refs/heads/x\ny`, 'ref: refs/../x', `${ID} -x`),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const { headRef, headCommit, branches } = parseState(Buffer.from(lines.join('\n'), 'latin1'));
      for (const name of [...branches.keys(), headRef ?? 'refs/x']) assert.match(name, /^refs\/[^\0- ]+$/);
      for (const commit of [...branches.values(), headCommit ?? ID])
        assert.match(commit, /^[0-9a-f]{40,64}$/);
    }),
  );
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MARK_SENT, READ_STATE, SENT_REF } from '../../../src/protocol/workspace-state.ts';
import { preparedState, presentState } from '../../helpers/prepared-state.ts';
import { assertNothingLeft, makeScratch, put, sendTo } from '../../helpers/scratch-repository.ts';

test('the guest starts from the state that the host has noted, whatever was edited there', async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  put(root, 'tool', '#!/bin/sh\n');
  put(root, 'edited', 'one\n');
  put(root, 'gone', 'x\n');
  put(root, '.gitignore', 'ignored\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'x');
  put(root, 'edited', 'two\n');
  put(root, 'staged', 'staged\n');
  scratch.git(root, 'add', 'staged');
  put(root, 'folder/untracked', 'new\n');
  put(root, 'ignored', 'x\n');
  rmSync(join(root, 'gone'));
  chmodSync(join(root, 'tool'), 0o755);
  const trees = new Set<string>();
  for (const includeUntracked of [false, true]) {
    const { guest } = await sendTo(scratch, root, { includeUntracked });
    assert.equal(preparedState(scratch, guest), presentState(scratch, guest));
    trees.add(preparedState(scratch, guest));
    put(guest, 'edited', 'three\n');
    assert.notEqual(preparedState(scratch, guest), presentState(scratch, guest));
    execFileSync('sh', ['-c', READ_STATE + MARK_SENT, 'mark', guest], { env: scratch.env });
    assert.equal(preparedState(scratch, guest), presentState(scratch, guest));
    rmSync(guest, { recursive: true });
  }
  assert.equal(trees.size, 2, 'untracked files that are sent count');
  assertNothingLeft(scratch);
});

test('so does a repository without commits, or without an index', async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  put(root, 'file', 'x\n');
  for (const includeUntracked of [false, true]) {
    const { guest } = await sendTo(scratch, root, { includeUntracked });
    assert.match(preparedState(scratch, guest), /^none [0-9a-f]{40,64}\n$/);
    assert.equal(preparedState(scratch, guest), presentState(scratch, guest));
    rmSync(guest, { recursive: true });
  }
});

test("the user's repository stays as it was, with edits that git stores for the guest", async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  put(root, 'tracked', 'one\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'x');
  put(root, 'tracked', 'two\n');
  put(root, 'untracked', 'new\n');
  const names = (): string[] => readdirSync(join(root, '.git'), { recursive: true }).map(String).sort();
  const before = names();
  const { guest } = await sendTo(scratch, root, { includeUntracked: true });
  assert.deepEqual(names(), before);
  const blobs = scratch.git(guest, 'ls-tree', '-r', SENT_REF).toString();
  for (const name of ['tracked', 'untracked']) {
    const blob = scratch.git(root, 'hash-object', name).toString().trim();
    assert.ok(blobs.includes(`${blob}\t${name}\n`));
    assert.equal(
      scratch.git(guest, 'cat-file', '-p', blob).toString(),
      name === 'tracked' ? 'two\n' : 'new\n',
    );
  }
});

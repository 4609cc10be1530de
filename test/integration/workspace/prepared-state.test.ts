import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { MARK_PREPARED, READ_STATE } from '../../../src/protocol/workspace-state.ts';
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
    assert.equal(preparedState(guest), presentState(scratch, guest));
    trees.add(preparedState(guest));
    put(guest, 'edited', 'three\n');
    assert.notEqual(preparedState(guest), presentState(scratch, guest));
    execFileSync('sh', ['-c', READ_STATE + MARK_PREPARED, 'mark', guest], { env: scratch.env });
    assert.equal(preparedState(guest), presentState(scratch, guest));
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
    assert.match(preparedState(guest), /^none [0-9a-f]{40,64}\n$/);
    assert.equal(preparedState(guest), presentState(scratch, guest));
    rmSync(guest, { recursive: true });
  }
});

test("files are hashed for it, not stored, and the user's objects stay as they were", async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  put(root, 'tracked', 'one\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'x');
  put(root, 'tracked', 'two\n');
  put(root, 'untracked', 'new\n');
  const objects = (): string[] =>
    readdirSync(join(root, '.git/objects'), { recursive: true }).map(String).sort();
  const before = objects();
  await using packed = await scratch.source.pack(root, { includeUntracked: true, signal: neverAborts() });
  for await (const _ of packed.tar);
  await packed.done;
  const [folder = ''] = readdirSync(scratch.tempDir);
  const stored = readdirSync(join(scratch.tempDir, folder, 'state-objects'), { recursive: true })
    .map((name) => String(name).replace('/', ''))
    .filter((name) => name.length === 40);
  const blobs = ['tracked', 'untracked'].map((name) =>
    scratch.git(root, 'hash-object', name).toString().trim(),
  );
  assert.equal(stored.length, 1, 'only the tree');
  assert.deepEqual(
    stored.filter((name) => blobs.includes(name)),
    [],
  );
  assert.deepEqual(objects(), before);
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { parseState, stateCommand } from '../../../src/core/vms/workspace/guest-tree.ts';
import { applyCommand } from '../../../src/core/vms/workspace/update-workspace.ts';
import {
  assertSameToGit,
  filesUnder,
  makeScratch,
  put,
  type Scratch,
  sendTo,
  unpack,
} from '../../helpers/scratch-repository.ts';

const signal = neverAborts();

/** Runs a command of the guest on this host, and returns its status and output. */
function inGuest(
  scratch: Scratch,
  [program, ...args]: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv = {},
): { status: number | null; stdout: Buffer; stderr: string } {
  const ran = spawnSync(program, args, { env: { ...scratch.env, ...env } });
  return { status: ran.status, stdout: ran.stdout, stderr: ran.stderr.toString() };
}

/** Packs the difference between `root` and a guest, and puts it where the agent does. */
async function sendDelta(scratch: Scratch, root: string, guest: string): Promise<void> {
  const state = inGuest(scratch, stateCommand(guest));
  assert.equal(state.status, 0, state.stderr);
  const tree = parseState(state.stdout);
  const listing = scratch.git(guest, 'ls-tree', '-r', '-z', tree.sentCommit ?? '');
  const base = Promise.resolve({ ...tree, listTree: () => Promise.resolve(listing) });
  const keptIn = join(scratch.dir, 'nothing-kept');
  await using delta = await scratch.source.packDelta(root, { keptIn, base, signal });
  assert.ok(delta);
  const incoming = join(guest, '.git/banger/incoming');
  mkdirSync(incoming, { recursive: true });
  await unpack(delta.tar, incoming);
}

/** A folder with programs that count down, and kill the shell that runs them when they reach zero. */
function killers(scratch: Scratch): { path: string; count: string } {
  const path = join(scratch.dir, 'killers');
  const count = join(scratch.dir, 'kill-count');
  mkdirSync(path);
  for (const name of ['cp', 'mv', 'rm', 'rmdir', 'git', 'xargs', 'find', 'cat']) {
    const real = spawnSync('sh', ['-c', `command -v ${name}`])
      .stdout.toString()
      .trim();
    const lines = [
      '#!/bin/sh',
      `read -r n <${count}; n=$((n - 1)); echo $n >${count}`,
      'if [ $n -eq 0 ]; then kill -9 $PPID; exit 1; fi',
      `exec ${real} "$@"`,
    ];
    writeFileSync(join(path, name), `${lines.join('\n')}\n`);
    chmodSync(join(path, name), 0o755);
  }
  return { path, count };
}

test('a guest that is killed while it applies a delta has the old tree or, after the next look, the new one', async () => {
  using scratch = makeScratch();
  const { path, count } = killers(scratch);
  const outcomes = new Set<string>();
  for (let steps = 1, isKilled = true; isKilled; steps += 1) {
    const root = scratch.init(`repo${steps}`);
    for (const name of ['a', 'b', 'folder/c']) put(root, name, 'one\n');
    scratch.git(root, 'add', '-A');
    scratch.git(root, 'commit', '-q', '-m', 'first');
    const { guest } = await sendTo(scratch, root, { name: `guest${steps}` });
    const old = filesUnder(guest);
    put(root, 'a', 'two\n');
    put(root, 'deep/new', 'new\n');
    rmSync(join(root, 'b'));
    rmSync(join(root, 'folder/c'));
    scratch.git(root, 'add', '-A');
    scratch.git(root, 'commit', '-q', '-m', 'second');
    put(root, 'a', 'three\n');
    await sendDelta(scratch, root, guest);
    writeFileSync(count, `${steps}\n`);
    const env = { PATH: `${path}:${scratch.env['PATH']}` };
    const ran = inGuest(scratch, applyCommand(guest, 'apply'), env);
    isKilled = ran.status !== 0;
    // The next prepare begins with this.
    const looked = inGuest(scratch, stateCommand(guest));
    assert.equal(looked.status, 0, looked.stderr);
    assert.equal(existsSync(join(guest, '.git/banger/meta')), false);
    if (readFileSync(join(guest, 'a'), 'utf8') === 'one\n') {
      outcomes.add('old');
      assert.deepEqual(filesUnder(guest), old);
      assert.equal(scratch.git(guest, 'status', '--porcelain').toString(), '');
      assert.equal(scratch.git(guest, 'log', '--format=%s').toString(), 'first\n');
    } else {
      outcomes.add(isKilled ? 'finished' : 'new');
      assertSameToGit(scratch, root, guest);
    }
    scratch.git(guest, 'fsck', '--strict');
    assert.ok(steps < 60, 'it ends at some time');
  }
  assert.deepEqual([...outcomes].sort(), ['finished', 'new', 'old']);
});

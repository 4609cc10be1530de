import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { parseState, stateCommand } from '../../../src/core/vms/workspace/guest-tree.ts';
import { applyCommand } from '../../../src/core/vms/workspace/update-workspace.ts';
import { inGuest } from '../../helpers/guest-shell.ts';
import {
  assertSameToGit,
  filesUnder,
  makeScratch,
  put,
  type Scratch,
  unpack,
} from '../../helpers/scratch-repository.ts';
import { agentProgram } from '../../support/host-tools.ts';

const signal = neverAborts();

/** A repository, its copy in a guest on this host, and a way to send that what has changed since. */
async function makeLab(scratch: Scratch): Promise<{ root: string; guest: string; send(): Promise<void> }> {
  const root = scratch.init('repo');
  for (const name of ['a', 'b', 'folder/c', 'folder/deep/d', 'gone/e']) put(root, name, `${name}\n`);
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'first');
  const guest = join(scratch.dir, 'guest');
  const keptIn = join(scratch.dir, 'kept');
  mkdirSync(guest);
  await using packed = await scratch.source.pack(root, { signal });
  await unpack(packed.tar, guest);
  await packed.done;
  await packed.keep(keptIn);
  const send = async (): Promise<void> => {
    const base = Promise.resolve(parseState(inGuest(scratch, stateCommand(guest)).stdout));
    await using delta = await scratch.source.packDelta(root, { keptIn, base, signal });
    assert.ok(delta && !delta.isEmpty);
    const incoming = join(guest, '.git/banger/incoming');
    mkdirSync(incoming, { recursive: true });
    await unpack(delta.tar, incoming);
    await delta.done;
  };
  return { root, guest, send };
}

function applyInAgent(guest: string): number | null {
  return spawnSync(agentProgram(), ['apply-delta', guest, 'apply']).status;
}

function contents(guest: string): [name: string, content: string][] {
  return filesUnder(guest).map((name) => [name, readFileSync(join(guest, name), 'latin1')]);
}

test('the agent applies a delta of edited, added and deleted files as its script does', async () => {
  using scratch = makeScratch();
  const { root, guest, send } = await makeLab(scratch);
  put(root, 'a', 'edited\n');
  put(root, 'folder/deep/d', 'edited, too\n');
  chmodSync(join(root, 'b'), 0o755);
  rmSync(join(root, 'gone/e'));
  await send();
  const byScript = join(scratch.dir, 'by-script');
  cpSync(guest, byScript, { recursive: true, preserveTimestamps: true });
  assert.equal(inGuest(scratch, applyCommand(byScript, 'apply')).status, 0);
  assert.equal(applyInAgent(guest), 0);
  assert.deepEqual(contents(guest), contents(byScript));
  assert.equal(existsSync(join(guest, 'gone')), existsSync(join(byScript, 'gone')));
  for (const each of [guest, byScript]) {
    assertSameToGit(scratch, root, each);
    scratch.git(each, 'fsck', '--strict');
    assert.equal(existsSync(join(each, '.git/banger/meta')), false);
  }
  const sent = (of: string): string => scratch.git(of, 'rev-parse', 'refs/banger/sent').toString();
  assert.equal(sent(guest), sent(byScript));
});

test('the agent leaves a delta to its script when the guest has changed a file, or HEAD moves', async () => {
  using scratch = makeScratch();
  const { root, guest, send } = await makeLab(scratch);
  put(root, 'a', 'edited\n');
  put(guest, 'a', 'edited in the guest\n');
  await send();
  assert.notEqual(applyInAgent(guest), 0);
  assert.equal(readFileSync(join(guest, 'a'), 'utf8'), 'edited in the guest\n');
  put(guest, 'a', 'a\n');
  rmSync(join(guest, '.git/banger'), { recursive: true });
  scratch.git(root, 'commit', '-q', '-a', '-m', 'second');
  await send();
  assert.notEqual(applyInAgent(guest), 0);
  assert.equal(inGuest(scratch, applyCommand(guest, 'apply')).status, 0);
  assertSameToGit(scratch, root, guest);
});

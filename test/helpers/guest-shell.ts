import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { neverAborts } from '../../src/base/abort.ts';
import { parseState, stateCommand } from '../../src/core/vms/workspace/guest-tree.ts';
import { type Scratch, unpack } from './scratch-repository.ts';

const signal = neverAborts();

/** Runs a command of the guest on this host, and returns its status and output. */
export function inGuest(
  scratch: Scratch,
  [program, ...args]: readonly [string, ...string[]],
  { env = {}, input = '' }: { env?: NodeJS.ProcessEnv; input?: string } = {},
): { status: number | null; stdout: Buffer; stderr: string } {
  const ran = spawnSync(program, args, { env: { ...scratch.env, ...env }, input });
  return { status: ran.status, stdout: ran.stdout, stderr: ran.stderr.toString() };
}

/** Packs the difference between `root` and a guest, and puts it where the agent does. */
export async function sendDelta(scratch: Scratch, root: string, guest: string): Promise<void> {
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
export function killers(scratch: Scratch): { path: string; count: string } {
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

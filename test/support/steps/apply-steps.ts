import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Abortable } from '../../../src/base/abort.ts';
import { messageOf } from '../../../src/base/errors.ts';
import { parseState, stateCommand } from '../../../src/core/vms/workspace/guest-tree.ts';
import { inGuest } from '../../helpers/guest-shell.ts';
import { filesUnder, makeScratch, put, type Scratch, unpack } from '../../helpers/scratch-repository.ts';
import { agentProgram } from '../host-tools.ts';
import type { Interrupted } from './interrupt.ts';

/** What this interrupts, as the line of `npm run crash-steps` says it. */
export const APPLY_NAME = 'a second copy that the agent applies';

/** Calls of the kernel at which the agent may be killed: all by which it changes files, and some others. */
const CALLS = ['openat', 'write', 'renameat', 'unlinkat', 'rmdir', 'mkdirat', 'close'];

/** Most kills at one call: a bound, should the agent never end. */
const MOST_KILLS = 300;

/**
 * Has the agent apply a change of a working tree, on this host, and kills it one call of the kernel later
 * each time. What reads the tree next must find the old or the new one, with the matching note of which one
 * that is. Needs `strace`.
 */
export async function interruptApply({
  stride,
  from,
  signal,
}: Abortable & { stride: number; from: number }): Promise<Interrupted> {
  const found: Interrupted = { hits: [], problems: [], codes: [] };
  using scratch = makeScratch();
  const sent = await sendChange(scratch);
  for (const call of CALLS) {
    for (let at = from; at < MOST_KILLS; at += stride) {
      signal.throwIfAborted();
      const guest = join(scratch.dir, 'killed');
      rmSync(guest, { recursive: true, force: true });
      cpSync(sent.guest, guest, { recursive: true, preserveTimestamps: true });
      if (!killAt(guest, call, at)) break;
      found.hits.push(`${call} ${at}`);
      try {
        checkLeft(scratch, guest, sent);
      } catch (error) {
        found.problems.push(`${APPLY_NAME}, agent, ${call} ${at}: ${messageOf(error)}`);
      }
    }
  }
  return found;
}

/** A copy of a working tree with a delta that was not applied yet, and the files before and after. */
interface SentChange {
  guest: string;
  before: Map<string, string>;
  after: Map<string, string>;
}

async function sendChange(scratch: Scratch): Promise<SentChange> {
  const signal = new AbortController().signal;
  const root = scratch.init('repo');
  for (const name of ['a', 'b', 'folder/c', 'folder/deep/d', 'gone/e']) put(root, name, `${name}\n`);
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'first');
  const guest = join(scratch.dir, 'guest');
  const keptIn = join(scratch.dir, 'kept');
  mkdirSync(guest);
  {
    await using packed = await scratch.source.pack(root, { signal });
    await unpack(packed.tar, guest);
    await packed.done;
    await packed.keep(keptIn);
  }
  const before = contents(guest);
  for (const name of ['a', 'folder/deep/d']) put(root, name, 'edited\n');
  scratch.git(root, 'rm', '-q', '--cached', 'gone/e');
  scratch.git(root, 'reset', '-q');
  rmSync(join(root, 'gone'), { recursive: true });
  const base = Promise.resolve(parseState(inGuest(scratch, stateCommand(guest)).stdout));
  await using delta = await scratch.source.packDelta(root, { keptIn, base, signal });
  assert.ok(delta && !delta.isEmpty);
  const incoming = join(guest, '.git/banger/incoming');
  mkdirSync(incoming, { recursive: true });
  await unpack(delta.tar, incoming);
  await delta.done;
  const applied = join(scratch.dir, 'applied');
  cpSync(guest, applied, { recursive: true, preserveTimestamps: true });
  assert.equal(spawnSync(agentProgram(), ['apply-delta', applied, 'apply']).status, 0);
  return { guest, before, after: contents(applied) };
}

/** Returns whether the agent was killed: false when it ended before that call. */
function killAt(guest: string, call: string, at: number): boolean {
  const inject = `inject=${call}:signal=KILL:when=${at}`;
  const argv = ['-f', '-qqq', '-o', '/dev/null', '-e', inject, agentProgram(), 'apply-delta', guest, 'apply'];
  const ran = spawnSync('strace', argv, { env: { ...process.env, GOMAXPROCS: '1' } });
  if (ran.error) throw new Error('this needs strace: apt install strace', { cause: ran.error });
  if (ran.signal === 'SIGKILL') return true;
  assert.equal(ran.status, 0, ran.stderr.toString());
  return false;
}

function checkLeft(scratch: Scratch, guest: string, { before, after }: SentChange): void {
  const state = inGuest(scratch, stateCommand(guest));
  assert.equal(state.status, 0, state.stderr.toString());
  const isNew = areSame(contents(guest), after);
  assert.ok(isNew || areSame(contents(guest), before), 'the tree is a mixture');
  const said = parseState(state.stdout).sentCommit;
  const noted = scratch.git(guest, 'rev-parse', 'refs/banger/sent^{tree}').toString();
  assert.ok(said !== undefined);
  scratch.git(guest, '-c', 'core.fsmonitor=false', 'add', '-A');
  assert.equal(scratch.git(guest, 'write-tree').toString(), noted, 'the note is of another tree');
  for (const name of ['meta', 'incoming', 'running']) {
    assert.equal(existsSync(join(guest, '.git/banger', name)), false, `${name} is left`);
  }
  scratch.git(guest, 'fsck', '--strict');
}

/** Names with modes, and contents, of the working tree. */
function contents(guest: string): Map<string, string> {
  return new Map(
    filesUnder(guest).map((name) => {
      const path = join(guest, name);
      return [name, `${statSync(path).mode} ${readFileSync(path, 'latin1')}`];
    }),
  );
}

function areSame(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  return one.size === other.size && [...one].every(([name, content]) => other.get(name) === content);
}

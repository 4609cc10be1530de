import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Abortable } from '../../../src/base/abort.ts';
import { messageOf } from '../../../src/base/errors.ts';
import { changedGuest, type PullLab } from '../../helpers/pull-lab.ts';
import { makeScratch } from '../../helpers/scratch-repository.ts';
import { treeOf } from '../../helpers/tree-of.ts';
import type { Interrupted } from './interrupt.ts';

/** What this interrupts, as the line of `npm run crash-steps` says it. */
export const PULL_NAME = 'a pull into a working tree, and its undo';

/** Calls of the kernel at which what pulls may be killed: all by which it changes names and contents. */
const CALLS = ['rename', 'link', 'unlink', 'mkdir', 'rmdir', 'fsync', 'chmod', 'pwrite64', 'write'];

/** Most kills at one call: a bound, should the pull never end. */
const MOST_KILLS = 400;

const CHILD = join(import.meta.dirname, 'pull-child.ts');

/**
 * Pulls into a working tree, and takes that back, in a process that is killed one call of the kernel later
 * each time, as a daemon may be. The next daemon must leave the old or the new tree. Needs `strace`.
 */
export async function interruptPull({
  stride,
  from,
  signal,
}: Abortable & { stride: number; from: number }): Promise<Interrupted> {
  const found: Interrupted = { hits: [], problems: [], codes: [] };
  using scratch = makeScratch();
  const lab = await changedGuest(scratch);
  const before = treeOf(lab.root);
  for (const what of ['pull', 'undo'] as const) {
    for (const call of CALLS) {
      for (let at = from; at < MOST_KILLS; at += stride) {
        signal.throwIfAborted();
        if (what === 'undo') await lab.pull(lab.next());
        const isKilled = interrupt(lab, { what, call, at });
        if (isKilled) found.hits.push(`${what}, ${call} ${at}`);
        try {
          await checkLeft(lab, { before, isWhole: !isKilled, what, signal });
        } catch (error) {
          found.problems.push(`${PULL_NAME}, ${what}, ${call} ${at}: ${messageOf(error)}`);
        }
        if (!isKilled) break;
      }
    }
  }
  return found;
}

/** Returns whether the process was killed: false when it ended before that call. */
function interrupt(
  { job }: PullLab,
  { what, call, at }: { what: 'pull' | 'undo'; call: string; at: number },
): boolean {
  const inject = `inject=${call}:signal=KILL:when=${at}`;
  const node = [process.execPath, '--no-warnings', CHILD, what, JSON.stringify(job)];
  const how = ['-f', '-b', 'execve', '-qqq', '--seccomp-bpf', '-o', '/dev/null'];
  const argv = [...how, '-e', `trace=${call}`, '-e', inject, ...node];
  // With one thread for files, the calls come in the same order each time. Its gits are not traced.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };
  const ran = spawnSync('strace', argv, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  if (ran.error) throw new Error('this needs strace: apt install strace', { cause: ran.error });
  if (ran.signal === 'SIGKILL') return true;
  assert.equal(ran.status, 0, ran.stderr.toString());
  return false;
}

/** Has the next daemon finish what was left, checks the tree, and brings it back to what it was before. */
async function checkLeft(
  lab: PullLab,
  {
    before,
    isWhole,
    what,
    signal,
  }: Abortable & { before: ReadonlyMap<string, string>; isWhole: boolean; what: 'pull' | 'undo' },
): Promise<void> {
  const next = lab.next();
  await next.finishLeft({ signal });
  const now = treeOf(lab.root);
  const isNew = isDeepStrictEqual(now, treeOf(lab.guest));
  if (isNew) await next.undo(lab.root, { signal });
  assert.ok(isNew || isDeepStrictEqual(now, before), `the tree is a mixture: ${[...now.keys()].join(', ')}`);
  if (isWhole) assert.equal(isNew, what === 'pull', 'it was not carried out');
  assert.deepEqual(treeOf(lab.root), before, 'an undo takes it back');
  const contents = join(lab.root, '.git/banger');
  const folders = existsSync(contents) ? readdirSync(contents) : [];
  assert.ok(folders.length <= 1, `contents of pulls are left: ${folders.join(', ')}`);
}

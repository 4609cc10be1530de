import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { exportCommand } from '../../../src/sdk/workspace/export-workspace.ts';
import { makeScratch, put, type Scratch, sendTo } from '../../helpers/scratch-repository.ts';
import { commitAll } from '../../helpers/submodules.ts';

const hasLfs = spawnSync('git', ['lfs', 'version']).status === 0;
const options = { skip: hasLfs ? false : 'git-lfs is not installed: npm run setup -- tests' };

const LARGE = Buffer.alloc(300_000, 'large');

/** A working tree with a file of Git LFS right after a checkout, and the home of a guest without git-lfs. */
function repository(scratch: Scratch): { root: string; guestHome: string } {
  scratch.git(scratch.dir, 'lfs', 'install', '--skip-repo');
  const root = scratch.init('repo');
  scratch.git(root, 'lfs', 'track', '*.bin');
  put(root, 'deep/large.bin', LARGE);
  put(root, 'plain', 'plain\n');
  commitAll(scratch, root, 'first');
  const pointer = scratch.git(root, 'cat-file', 'blob', 'HEAD:deep/large.bin').toString();
  assert.match(pointer, /^version https:\/\/git-lfs/, 'git-lfs has stored it');
  rmSync(join(root, 'deep/large.bin'));
  scratch.git(root, 'checkout', '--', 'deep/large.bin');
  const guestHome = join(scratch.dir, 'guest-home');
  mkdirSync(guestHome);
  return { root, guestHome };
}

test(
  'files of the real git-lfs arrive smudged, and are clean in the guest with git-lfs and without',
  options,
  async () => {
    using scratch = makeScratch();
    const { root, guestHome } = repository(scratch);
    const { guest } = await sendTo(scratch, root);
    assert.deepEqual(readFileSync(join(guest, 'deep/large.bin')), LARGE);
    assert.equal(existsSync(join(guest, '.git/lfs/objects')), false, 'the files are sent once');
    for (const HOME of [scratch.home, guestHome]) {
      const env = { ...scratch.env, HOME };
      const git = (...args: string[]): string =>
        spawnSync('git', ['-C', guest, ...args], { env }).stdout.toString();
      assert.equal(git('status', '--porcelain'), '');
      assert.equal(git('diff', '--raw'), '');
      const [program, ...args] = exportCommand(guest);
      assert.equal(spawnSync(program, args, { env }).stdout.toString(), '');
    }
  },
);

test(
  'the patch with a file of the real git-lfs that a guest has changed applies on the host',
  options,
  async () => {
    for (const isInGuest of [true, false]) {
      using scratch = makeScratch();
      const { root, guestHome } = repository(scratch);
      const { guest } = await sendTo(scratch, root);
      const changed = Buffer.from('changed by the guest');
      put(guest, 'deep/large.bin', changed);
      const [program, ...args] = exportCommand(guest);
      const env = { ...scratch.env, HOME: isInGuest ? scratch.home : guestHome };
      const { stdout: patch } = spawnSync(program, args, { env });
      const applied = spawnSync('git', ['apply'], { cwd: root, env: scratch.env, input: patch });
      assert.equal(applied.status, 0, applied.stderr.toString());
      assert.deepEqual(readFileSync(join(root, 'deep/large.bin')), changed);
    }
  },
);

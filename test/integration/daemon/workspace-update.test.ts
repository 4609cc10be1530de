import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { neverAborts } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import type { PreparedWorkspace, PrepareWorkspaceRequest } from '../../../src/protocol/api/workspace.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { exportCommand } from '../../../src/sdk/workspace/export-workspace.ts';
import { beginning, step, take } from '../../helpers/random-steps.ts';
import { assertSameToGit, makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { treeOf } from '../../helpers/tree-of.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { prepareIn, refusedPathsIn } from '../../support/prepare-in-lab.ts';

const signal = neverAborts();

/** First in the PATH of the lab. */
let bin: string;
let lab: DaemonLab;
let scratch: Scratch;
let count = 0;

before(async () => {
  bin = mkdtempSync(join(tmpdir(), 'bin-'));
  const path = process.env['PATH'] ?? '';
  process.env['PATH'] = `${bin}:${path}`;
  lab = await openDaemonLab();
  await lab.start();
  process.env['PATH'] = path;
  scratch = makeScratch();
  await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
});

after(async () => {
  await lab[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
  rmSync(bin, { recursive: true });
});

/** A repository of the host with three committed files, and where its copy in the guest is. */
function repository(): { root: string; guest: string } {
  count += 1;
  const root = scratch.init(`repo${count}`);
  for (const name of ['a', 'b', 'folder/c']) put(root, name, 'one\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'first');
  return { root, guest: join(lab.dir, `guest${count}`) };
}

const prepare = (
  root: string,
  guestPath: string,
  more: Omit<PrepareWorkspaceRequest, 'path'> = {},
): Promise<PreparedWorkspace> => prepareIn(lab, root, guestPath, more);

const refusedPaths = (root: string, guest: string): Promise<string[]> => refusedPathsIn(lab, root, guest);

const textOf = (root: string, name: string): string => readFileSync(join(root, name), 'utf8');

test('a second prepare sends what has changed, and nothing else', async () => {
  const { root, guest } = repository();
  put(root, 'large', Buffer.alloc(2 ** 20, 'x\n'));
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'large');
  const first = await prepare(root, guest);
  assert.ok(first.bytes > 2 ** 20);
  assert.equal((await prepare(root, guest)).bytes, 0, 'nothing has changed');
  const large = lstatSync(join(guest, 'large')).ino;
  put(root, 'a', 'two\n');
  put(root, 'staged', 'staged\n');
  put(root, 'deep/er/new', 'new\n');
  scratch.git(root, 'add', 'staged', 'deep');
  rmSync(join(root, 'folder/c'));
  const second = await prepare(root, guest);
  assert.ok(second.bytes < 2 ** 17, `${second.bytes} bytes`);
  assert.equal(lstatSync(join(guest, 'large')).ino, large);
  assert.equal(existsSync(join(guest, 'folder')), false);
  assertSameToGit(scratch, root, guest);
  scratch.git(root, 'commit', '-q', '-a', '-m', 'third');
  scratch.git(root, 'branch', 'other', 'HEAD~1');
  await prepare(root, guest);
  assertSameToGit(scratch, root, guest);
  assert.match(scratch.git(guest, 'branch').toString(), /other/);
  scratch.git(root, 'checkout', '-q', '-b', 'topic');
  await prepare(root, guest);
  assertSameToGit(scratch, root, guest);
  scratch.git(guest, 'fsck', '--strict');
  assert.equal(existsSync(join(guest, '.git/banger/meta')), false);
});

test('a prepare that would overwrite edits of the guest names them all, and changes nothing', async () => {
  const { root, guest } = repository();
  await prepare(root, guest);
  put(guest, 'a', 'guest\n');
  put(guest, 'new', 'guest\n');
  put(guest, 'other', 'kept\n');
  rmSync(join(guest, 'folder/c'));
  put(guest, 'b', 'only in the guest\n');
  for (const name of ['a', 'new', 'folder/c']) put(root, name, 'host\n');
  put(root, 'free', 'host\n');
  scratch.git(root, 'add', '-A');
  const was = treeOf(guest);
  const head = scratch.git(guest, 'status', '--porcelain').toString();
  assert.deepEqual(await refusedPaths(root, guest), ['a', 'folder/c', 'new']);
  assert.deepEqual(treeOf(guest), was);
  assert.equal(scratch.git(guest, 'status', '--porcelain').toString(), head);
  await prepare(root, guest, { discardGuest: true });
  for (const name of ['a', 'new', 'folder/c', 'free']) assert.equal(textOf(guest, name), 'host\n');
  assert.equal(textOf(guest, 'b'), 'one\n', 'a tracked file has the content of the host');
  assert.equal(textOf(guest, 'other'), 'kept\n', 'what the host does not have stays');
});

test('a file that only the guest has changed stays, and is exported', async () => {
  const { root, guest } = repository();
  await prepare(root, guest);
  put(guest, 'b', 'guest\n');
  put(root, 'a', 'host\n');
  await prepare(root, guest);
  assert.deepEqual([textOf(guest, 'a'), textOf(guest, 'b')], ['host\n', 'guest\n']);
  assert.match(exported(guest), /^\+guest$/m);
  assert.doesNotMatch(exported(guest), /host/);
});

function exported(guest: string): string {
  const [program, ...args] = exportCommand(guest);
  return spawnSync(program, args, { env: scratch.env }).stdout.toString();
}

test('the same change on both sides is no conflict: the patch of an export was applied', async () => {
  const { root, guest } = repository();
  await prepare(root, guest);
  put(guest, 'a', 'guest\n');
  put(guest, 'new', 'guest\n');
  rmSync(join(guest, 'b'));
  spawnSync('git', ['apply'], { cwd: root, env: scratch.env, input: exported(guest) });
  scratch.git(root, 'add', '-A');
  assert.equal(textOf(root, 'new'), 'guest\n');
  await prepare(root, guest);
  assertSameToGit(scratch, root, guest);
});

test('commits of the guest are not left behind under files of the host', async () => {
  const { root, guest } = repository();
  await prepare(root, guest);
  put(guest, 'a', 'guest\n');
  scratch.git(guest, '-c', 'user.name=x', '-c', 'user.email=x@y', 'commit', '-qam', 'in the guest');
  const head = scratch.git(guest, 'rev-parse', 'HEAD').toString();
  put(root, 'b', 'host\n');
  assert.deepEqual(await refusedPaths(root, guest), ['a']);
  assert.equal(textOf(guest, 'b'), 'one\n');
  assert.equal(scratch.git(guest, 'rev-parse', 'HEAD').toString(), head);
  await prepare(root, guest, { discardGuest: true });
  assertSameToGit(scratch, root, guest);
  assert.equal(textOf(guest, 'a'), 'one\n');
});

test('a branch of the guest with its own commits, and its stashes, outlive a prepare', async () => {
  const { root, guest } = repository();
  await prepare(root, guest);
  const git = (...args: string[]): string =>
    scratch.git(guest, '-c', 'user.name=x', '-c', 'user.email=x@y', ...args).toString();
  git('checkout', '-q', '-b', 'own');
  put(guest, 'a', 'own\n');
  git('commit', '-qam', 'own');
  git('checkout', '-q', 'main');
  put(root, 'b', 'host\n');
  scratch.git(root, 'commit', '-qam', 'host');
  await prepare(root, guest);
  assert.equal(git('log', '-1', '--format=%s', 'own'), 'own\n');
  assert.equal(git('log', '-1', '--format=%s'), 'host\n');
});

test('a guest on a branch that it was given stays there while HEAD of the host does', async () => {
  const { root, guest } = repository();
  await prepare(root, guest, { branch: `fix${count}` });
  put(root, 'a', 'host\n');
  await prepare(root, guest);
  assert.equal(scratch.git(guest, 'symbolic-ref', '--short', 'HEAD').toString(), `fix${count}\n`);
  assert.equal(textOf(guest, 'a'), 'host\n');
});

test('a folder that takes a file’s place, and the other way round, on either side', async () => {
  const { root, guest } = repository();
  await prepare(root, guest);
  rmSync(join(root, 'a'));
  put(root, 'a/inside', 'x\n');
  rmSync(join(root, 'folder'), { recursive: true });
  symlinkSync('b', join(root, 'folder'));
  scratch.git(root, 'add', '-A');
  await prepare(root, guest);
  assertSameToGit(scratch, root, guest);
  rmSync(join(root, 'a'), { recursive: true });
  put(root, 'a', 'file again\n');
  scratch.git(root, 'add', '-A');
  put(guest, 'a/build output', 'of the guest\n');
  assert.deepEqual(await refusedPaths(root, guest), ['a/build output']);
  rmSync(join(guest, 'a/build output'));
  await prepare(root, guest);
  assertSameToGit(scratch, root, guest);
});

test('what is behind a link that the guest made is neither written nor deleted', async () => {
  const { root, guest } = repository();
  await prepare(root, guest);
  const outside = join(lab.dir, `outside${count}`);
  put(outside, 'c', 'outside\n');
  rmSync(join(guest, 'folder'), { recursive: true });
  symlinkSync(outside, join(guest, 'folder'));
  rmSync(join(root, 'folder'), { recursive: true });
  assert.deepEqual(await refusedPaths(root, guest), ['folder']);
  assert.equal(textOf(outside, 'c'), 'outside\n');
});

test('a folder that was never sent is not overwritten', async () => {
  const { root, guest } = repository();
  put(guest, 'a', 'mine\n');
  put(guest, 'b', 'one\n');
  assert.deepEqual(await refusedPaths(root, guest), ['a']);
  assert.equal(existsSync(join(guest, '.git')), false, 'nothing was made');
  rmSync(join(guest, 'a'));
  await prepare(root, guest);
  assertSameToGit(scratch, root, guest);
});

test('a guest that holds an older tree than the host knows of says which, and gets the difference', async () => {
  const { root, guest } = repository();
  await prepare(root, guest);
  const sent = scratch.git(guest, 'rev-parse', 'refs/banger/sent').toString().trim();
  const state = join(scratch.dir, `saved${count}`);
  spawnSync('cp', ['-a', guest, state]);
  put(root, 'a', 'two\n');
  await prepare(root, guest);
  rmSync(guest, { recursive: true });
  spawnSync('cp', ['-a', state, guest]);
  assert.equal(scratch.git(guest, 'rev-parse', 'refs/banger/sent').toString().trim(), sent);
  put(root, 'b', 'two\n');
  await prepare(root, guest);
  assertSameToGit(scratch, root, guest);
});

test('touched files are not sent, and do not count as changed', async () => {
  const { root, guest } = repository();
  await prepare(root, guest);
  utimesSync(join(root, 'a'), 1e9, 1e9);
  assert.equal((await lab.client.showVm('web', { withHost: true, signal })).workspace?.isStale, false);
  assert.equal((await prepare(root, guest)).bytes, 0);
});

test('a VM says that its copy is stale when HEAD, files or names have changed on the host, and not before', async () => {
  const { root, guest } = repository();
  const isStale = async (): Promise<boolean | undefined> =>
    (await lab.client.showVm('web', { withHost: true, signal })).workspace?.isStale;
  put(root, 'untracked', 'x\n');
  put(root, 'a', 'dirty\n');
  await prepare(root, guest);
  assert.equal(await isStale(), false);
  put(root, 'untracked', 'y\n');
  assert.equal(await isStale(), false, 'untracked files were not copied');
  const changes: [string, () => void][] = [
    ['an edit', () => put(root, 'a', 'dirti\n')],
    ['a deletion', () => rmSync(join(root, 'b'))],
    ['a new file', () => scratch.git(root, 'add', 'untracked')],
    ['a commit', () => scratch.git(root, 'commit', '-q', '--allow-empty', '-m', 'x')],
    [
      'a commit on a branch that is packed',
      () => {
        scratch.git(root, 'pack-refs', '--all');
        scratch.git(root, 'commit', '-q', '--allow-empty', '-m', 'y');
        scratch.git(root, 'pack-refs', '--all');
      },
    ],
    ['a branch that was deleted', () => scratch.git(root, 'checkout', '-q', '--orphan', 'unborn')],
  ];
  for (const [what, change] of changes) {
    change();
    assert.equal(await isStale(), true, what);
    await prepare(root, guest);
    assert.equal(await isStale(), false, `${what}, copied`);
    scratch.git(root, 'status');
    scratch.git(root, 'pack-refs', '--all');
    assert.equal(await isStale(), false, `${what}, and git has tidied up`);
  }
  await prepare(root, guest, { includeUntracked: true });
  put(root, 'more', 'x\n');
  assert.equal(await isStale(), true, 'a new untracked file where they are copied');
});

test('random edits on both sides: the guest has the tree of the host beside its own edits, or a refusal names all that it would have lost', async () => {
  await fc.assert(
    fc.asyncProperty(
      beginning,
      fc.array(fc.record({ isHost: fc.boolean(), step }), { minLength: 4, maxLength: 24 }),
      async (first, edits) => {
        count += 1;
        const root = scratch.init(`random${count}`);
        const guest = join(lab.dir, `random${count}`);
        for (const each of first) take(scratch, root, each);
        await prepare(root, guest, { includeUntracked: true });
        scratch.git(guest, 'config', 'user.name', 'x');
        scratch.git(guest, 'config', 'user.email', 'x@y');
        const sent = treeOf(root);
        for (const { isHost, step: each } of edits) take(scratch, isHost ? root : guest, each);
        const [host, own] = [treeOf(root), treeOf(guest)];
        try {
          await prepare(root, guest, { includeUntracked: true });
        } catch (error) {
          assert.ok(error instanceof AppError && error.code === 'WORKSPACE_GUEST_CHANGED', String(error));
          assert.deepEqual(treeOf(guest), own, 'nothing was changed');
          await prepare(root, guest, { includeUntracked: true, discardGuest: true });
          for (const [path, content] of host) assert.equal(treeOf(guest).get(path), content, path);
          return;
        }
        const now = treeOf(guest);
        for (const path of new Set([...sent.keys(), ...host.keys(), ...own.keys()])) {
          const wanted = host.get(path) === sent.get(path) ? own.get(path) : host.get(path);
          assert.equal(now.get(path), wanted, path);
          const isOwn = own.get(path) !== sent.get(path) && own.get(path) !== now.get(path);
          assert.equal(isOwn, false, `${path}: the guest's change is lost`);
        }
      },
    ),
    { numRuns: 15 },
  );
});

/** Has the lab's `tar` save a file of the host, the first `times` times that it packs something. */
function saveWhilePacking(path: string, times: number): Disposable & { saved(): number } {
  const before = process.env['PATH'] ?? '';
  const log = join(bin, 'saved');
  const script = [
    '#!/bin/sh',
    `count=$(wc -l <'${log}')`,
    `case $1 in --create) if [ "$count" -lt ${times} ]; then`,
    `  echo x >>'${log}'; echo "saved $count" >'${path}.new' && mv '${path}.new' '${path}'; fi ;; esac`,
    `PATH='${before}' exec tar "$@"`,
  ];
  writeFileSync(log, '');
  writeFileSync(join(bin, 'tar'), `${script.join('\n')}\n`, { mode: 0o755 });
  return {
    saved: () => readFileSync(log, 'utf8').length / 2,
    [Symbol.dispose]: () => rmSync(join(bin, 'tar')),
  };
}

test('a file that is saved while it is packed reaches the guest with the content that is noted of it', async () => {
  const { root, guest } = repository();
  await prepare(root, guest);
  put(root, 'a', 'two\n');
  const path = join(root, 'a');
  {
    using tar = saveWhilePacking(path, 1);
    await prepare(root, guest);
    assert.equal(tar.saved(), 1);
  }
  assert.equal(textOf(guest, 'a'), 'saved 0\n');
  assert.equal(scratch.git(guest, 'show', 'refs/banger/sent:a').toString(), 'saved 0\n');
  assertSameToGit(scratch, root, guest);
  // With another content noted, the guest's would count as its own work, which no copy overwrites.
  put(root, 'a', 'three\n');
  await prepare(root, guest);
  assert.equal(textOf(guest, 'a'), 'three\n');
});

test('a tree with a file that is always being written is refused, and the guest keeps what it has', async () => {
  const { root, guest } = repository();
  await prepare(root, guest);
  put(root, 'a', 'two\n');
  {
    using tar = saveWhilePacking(join(root, 'a'), 100);
    await assert.rejects(prepare(root, guest), {
      code: 'WORKSPACE_TAR_FAILED',
      message: /"a" is being written/,
    });
    assert.equal(tar.saved(), 3);
  }
  assert.equal(textOf(guest, 'a'), 'one\n');
  await prepare(root, guest);
  assert.equal(textOf(guest, 'a'), 'saved 2\n');
  assertSameToGit(scratch, root, guest);
});

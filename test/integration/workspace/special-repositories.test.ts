import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  assertSameToGit,
  filesUnder,
  makeScratch,
  put,
  type Scratch,
  sendTo,
} from '../../helpers/scratch-repository.ts';

/** A repository of `count` commits, one file each, on `main`. */
function withCommits(scratch: Scratch, name: string, count: number, ...initArgs: string[]): string {
  const root = scratch.init(name, ...initArgs);
  const data = (content: string): string => `data ${content.length}\n${content}\n`;
  const stream = Array.from({ length: count }, (_, index) => `file${index + 1}`).map(
    (file, index) =>
      `commit refs/heads/main\ncommitter A U Thor <author@example.com> ${1.5e9 + index} +0000\n${data(`add ${file}`)}` +
      `M 100644 inline ${file}\n${data(`content of ${file}\n`)}`,
  );
  const ran = spawnSync('git', ['fast-import', '--quiet'], {
    cwd: root,
    env: scratch.env,
    input: stream.join(''),
  });
  assert.equal(ran.status, 0, ran.stderr.toString());
  scratch.git(root, 'reset', '-q', '--hard');
  return root;
}

function commit(scratch: Scratch, root: string, name: string): void {
  put(root, name, `content of ${name}\n`);
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', name);
}

const text = (output: Buffer): string => output.toString('latin1').trim();

test('an empty repository, and a branch without commits', async () => {
  using scratch = makeScratch();
  const empty = scratch.init('empty');
  const sent = await sendTo(scratch, empty, { name: 'guest-empty' });
  assertSameToGit(scratch, empty, sent.guest, { hasHistory: false });
  assert.deepEqual(sent.summary, {
    repoRoot: empty,
    repoName: 'empty',
    branch: 'main',
    trackedCount: 0,
    untrackedCount: 0,
  });
  const unborn = scratch.init('unborn');
  put(unborn, 'staged');
  scratch.git(unborn, 'add', '-A');
  put(unborn, 'staged', 'and edited\n');
  const { guest } = await sendTo(scratch, unborn, { name: 'guest-unborn' });
  assertSameToGit(scratch, unborn, guest, { hasHistory: false });
  scratch.git(guest, 'commit', '-q', '-m', 'first');
});

test('a detached HEAD', async () => {
  using scratch = makeScratch();
  const root = withCommits(scratch, 'repo', 3);
  scratch.git(root, 'tag', 'v1', 'HEAD~1');
  scratch.git(root, 'checkout', '-q', 'v1');
  const { guest, summary } = await sendTo(scratch, root, { name: 'guest1' });
  assertSameToGit(scratch, root, guest);
  assert.equal(summary.branch, undefined);
  assert.equal(summary.headCommit, text(scratch.git(root, 'rev-parse', 'HEAD')));
  commit(scratch, root, 'beyond');
  const moved = await sendTo(scratch, root, { name: 'guest2' });
  assertSameToGit(scratch, root, moved.guest);
  scratch.git(moved.guest, 'fsck', '--strict');
});

test('a subfolder, and a path through a link, mean the whole repository', async () => {
  using scratch = makeScratch();
  const root = withCommits(scratch, 'repo', 1);
  put(root, 'a/b/c');
  symlinkSync(join(root, 'a'), join(scratch.dir, 'link'));
  const { summary } = await sendTo(scratch, join(scratch.dir, 'link/b'));
  assert.equal(summary.repoRoot, root);
  assert.equal(summary.untrackedCount, 1);
});

test('a linked working tree has its own HEAD, index and unfinished merge', async () => {
  using scratch = makeScratch();
  const root = withCommits(scratch, 'repo', 2);
  const linked = join(scratch.dir, 'linked');
  scratch.git(root, 'worktree', 'add', '-q', '-b', 'side', linked, 'HEAD~1');
  put(linked, 'file1', 'edited here\n');
  put(linked, 'new');
  scratch.git(linked, 'add', 'new');
  const { guest, summary } = await sendTo(scratch, linked);
  assertSameToGit(scratch, linked, guest);
  assert.equal(summary.branch, 'side');
  scratch.git(guest, 'rev-parse', 'main');
});

test('a clone that borrowed objects is sent once it has its own copies, as the error says', async () => {
  using scratch = makeScratch();
  const origin = withCommits(scratch, 'origin', 3);
  const shared = join(scratch.dir, 'shared copy');
  scratch.git(scratch.dir, 'clone', '-q', '--shared', origin, shared);
  await assert.rejects(sendTo(scratch, shared, { name: 'guest1' }), { code: 'WORKSPACE_GIT_ELSEWHERE' });
  scratch.git(shared, 'repack', '-a', '-d', '-q');
  rmSync(join(shared, '.git/objects/info/alternates'));
  const { guest } = await sendTo(scratch, shared, { name: 'guest2' });
  assertSameToGit(scratch, shared, guest);
  scratch.git(guest, 'fsck', '--strict');
});

test('a repository of SHA-256 objects', async () => {
  using scratch = makeScratch();
  const root = withCommits(scratch, 'repo', 2, '--object-format=sha256');
  put(root, 'file1', 'edited\n');
  const { guest, summary } = await sendTo(scratch, root);
  assertSameToGit(scratch, root, guest);
  scratch.git(guest, 'fsck', '--strict');
  assert.equal(summary.headCommit?.length, 64);
});

test('a split index with an untracked cache, and one of version 4', async () => {
  using scratch = makeScratch();
  const root = withCommits(scratch, 'repo', 3);
  put(root, 'untracked-secret-name');
  scratch.git(root, 'update-index', '--untracked-cache', '--split-index');
  scratch.git(root, 'status');
  put(root, 'file2', 'staged\n');
  scratch.git(root, 'add', 'file2');
  const { guest } = await sendTo(scratch, root, { name: 'guest1' });
  assertSameToGit(scratch, root, guest);
  assert.ok(!readFileSync(join(guest, '.git/index'), 'latin1').includes('untracked-secret-name'));
  assert.ok(!filesUnder(join(guest, '.git')).some((name) => name.includes('sharedindex')));
  scratch.git(root, 'update-index', '--no-split-index', '--index-version', '4');
  const four = await sendTo(scratch, root, { name: 'guest2' });
  assertSameToGit(scratch, root, four.guest);
});

test('an index with a file system monitor is still compared with the files', async () => {
  using scratch = makeScratch();
  const root = withCommits(scratch, 'repo', 2);
  const monitor = join(scratch.dir, 'monitor');
  writeFileSync(monitor, "#!/bin/sh\nprintf 'token\\0'\n", { mode: 0o755 });
  scratch.git(root, 'config', 'core.fsmonitor', monitor);
  scratch.git(root, 'update-index', '--fsmonitor');
  scratch.git(root, 'status');
  scratch.git(root, 'status');
  assert.ok(readFileSync(join(root, '.git/index'), 'latin1').includes('FSMN'));
  put(root, 'file1', 'the monitor does not tell\n');
  rmSync(join(root, 'file2'));
  const { guest } = await sendTo(scratch, root);
  assert.equal(readFileSync(join(guest, '.git/index'), 'latin1').includes('FSMN'), false);
  assert.equal(scratch.git(guest, 'status', '--porcelain').toString(), ' M file1\n D file2\n');
});

test('files that git is configured to ignore changes of are sent with their present content', async () => {
  using scratch = makeScratch();
  const root = withCommits(scratch, 'repo', 5);
  scratch.git(root, 'update-index', '--assume-unchanged', 'file1', 'file2');
  scratch.git(root, 'update-index', '--skip-worktree', 'file3', 'file4');
  put(root, 'file1', 'mine\n');
  put(root, 'file3', 'mine too\n');
  rmSync(join(root, 'file2'));
  rmSync(join(root, 'file4'));
  const { guest } = await sendTo(scratch, root);
  assertSameToGit(scratch, root, guest);
  assert.deepEqual(filesUnder(guest), ['./file1', './file3', './file5']);
  assert.equal(readFileSync(join(guest, 'file3'), 'utf8'), 'mine too\n');
});

test('a sparse checkout, with a full and with a sparse index', async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  for (const folder of ['in', 'out', 'out/deep', 'other']) put(root, `${folder}/file`);
  commit(scratch, root, 'top');
  for (const kind of ['--no-sparse-index', '--sparse-index']) {
    scratch.git(root, 'sparse-checkout', 'set', '--cone', kind, 'in');
    const { guest, summary } = await sendTo(scratch, root, { name: `guest${kind}` });
    assert.deepEqual(filesUnder(guest), ['./in/file', './top']);
    assertSameToGit(scratch, root, guest);
    assert.equal(summary.trackedCount, 5);
    scratch.git(guest, 'sparse-checkout', 'disable');
    assert.equal(filesUnder(guest).length, 5);
  }
});

test('a shallow clone stays one', async () => {
  using scratch = makeScratch();
  const origin = withCommits(scratch, 'origin', 5);
  const root = join(scratch.dir, 'shallow');
  scratch.git(scratch.dir, 'clone', '-q', '--depth=2', `file://${origin}`, root);
  const { guest } = await sendTo(scratch, root);
  assertSameToGit(scratch, root, guest);
  assert.equal(text(scratch.git(guest, 'rev-list', '--count', 'HEAD')), '2');
  scratch.git(guest, 'fsck');
});

test('a partial clone is sent without a fetch, and stays one in the guest', async () => {
  using scratch = makeScratch();
  const origin = withCommits(scratch, 'origin', 3);
  put(origin, 'file1', 'old content goes missing\n');
  commit(scratch, origin, 'last');
  scratch.git(origin, 'config', 'uploadpack.allowFilter', 'true');
  const root = join(scratch.dir, 'partial');
  scratch.git(scratch.dir, 'clone', '-q', '--filter=blob:none', `file://${origin}`, root);
  const missing = text(scratch.git(root, 'rev-parse', 'HEAD~1:file1'));
  put(root, 'file2', 'edited\n');
  const { guest } = await sendTo(scratch, root);
  const lacks = text(scratch.git(root, 'rev-list', '--objects', '--missing=print', 'HEAD'));
  assert.ok(lacks.includes(`?${missing}`), 'the host still lacks the object: nothing was fetched');
  assert.equal(text(scratch.git(guest, 'rev-list', '--objects', '--missing=print', 'HEAD')), lacks);
  for (const args of [['status', '--porcelain=v2', '--branch'], ['diff'], ['log', '--format=fuller']]) {
    assert.equal(text(scratch.git(guest, ...args)), text(scratch.git(root, ...args)));
  }
  scratch.git(guest, 'fsck');
});

test('a history beyond the limit is cut, whether it has to be counted or not', async () => {
  // The object store takes about 20 KB.
  for (const maxHistoryBytes of [1_000, 10_000]) {
    using scratch = makeScratch({ maxHistoryBytes });
    const root = withCommits(scratch, 'repo', 70);
    scratch.git(root, 'tag', 'old', 'HEAD~60');
    scratch.git(root, 'tag', '-a', '-m', 'x', 'new', 'HEAD~3');
    put(root, 'file1', 'edited\n');
    const { guest, summary } = await sendTo(scratch, root);
    assert.equal(summary.historyDepth, 50);
    assert.equal(text(scratch.git(guest, 'rev-list', '--count', 'HEAD')), '50');
    assert.equal(text(scratch.git(guest, 'tag')), 'new');
    assertSameToGit(scratch, root, guest, { hasHistory: false });
    scratch.git(guest, 'fsck', '--strict');
    scratch.git(guest, 'commit', '-q', '-a', '-m', 'goes on');
  }
});

test('full_copy sends a history beyond the limit completely', async () => {
  using scratch = makeScratch({ maxHistoryBytes: 1_000 });
  const root = withCommits(scratch, 'repo', 70);
  const { guest, summary } = await sendTo(scratch, root, { mode: 'full_copy' });
  assert.equal(summary.historyDepth, undefined);
  assert.equal(text(scratch.git(guest, 'rev-list', '--count', 'HEAD')), '70');
  assertSameToGit(scratch, root, guest);
  const { summary: cut } = await sendTo(scratch, root, { mode: 'shallow_overlay', name: 'other' });
  assert.equal(cut.historyDepth, 50);
});

test('a large store whose branch has a small history is not cut', async () => {
  using scratch = makeScratch({ maxHistoryBytes: 50_000 });
  const root = withCommits(scratch, 'repo', 60);
  put(root, 'elsewhere', randomBytes(100_000));
  scratch.git(root, 'hash-object', '-w', 'elsewhere');
  const { guest, summary } = await sendTo(scratch, root);
  assert.equal(summary.historyDepth, undefined);
  assert.equal(text(scratch.git(guest, 'rev-list', '--count', 'HEAD')), '60');
});

test('staged content of a packed repository with bitmaps is sent, too', async () => {
  using scratch = makeScratch();
  const root = withCommits(scratch, 'repo', 20);
  scratch.git(root, 'repack', '-q', '-a', '-d', '--write-bitmap-index');
  put(root, 'staged', 'only in the index\n');
  scratch.git(root, 'add', 'staged');
  const { guest } = await sendTo(scratch, root);
  assertSameToGit(scratch, root, guest);
  scratch.git(guest, 'fsck', '--strict');
});

test('a file of 300 MB is sent', async () => {
  using scratch = makeScratch();
  const root = withCommits(scratch, 'repo', 1);
  truncateSync(join(root, 'file1'), 300_000_000);
  const { guest } = await sendTo(scratch, root);
  assert.equal(text(scratch.git(guest, 'status', '--porcelain')), 'M file1');
  assert.equal(statSync(join(guest, 'file1')).size, 300_000_000);
});

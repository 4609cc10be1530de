import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import type { PulledWorkspace, PullWorkspaceRequest } from '../../../src/protocol/api/workspace-pull.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { treeOf } from '../../helpers/tree-of.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { prepareIn } from '../../support/prepare-in-lab.ts';

const signal = neverAborts();

let lab: DaemonLab;
let scratch: Scratch;
let count = 0;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
  scratch = makeScratch();
  await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
});

after(async () => {
  await lab[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

/** A working tree with these files, sent to a guest. */
async function sent(files: Record<string, string>): Promise<{ root: string; guest: string }> {
  count += 1;
  const root = scratch.init(`host${count}`);
  for (const [name, content] of Object.entries(files)) put(root, name, content);
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '--allow-empty', '-m', 'first');
  const guest = join(lab.dir, `guest${count}`);
  await prepareIn(lab, root, guest);
  scratch.git(guest, 'config', 'user.name', 'x');
  scratch.git(guest, 'config', 'user.email', 'x@y');
  return { root, guest };
}

const pull = (request: PullWorkspaceRequest = {}): Promise<PulledWorkspace> =>
  resultOf(lab.client.pullWorkspace('web', request, { signal }));

async function failing(work: Promise<unknown>): Promise<AppError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof AppError, String(error));
    return error;
  }
  return assert.fail('nothing failed');
}

const read = (root: string, name: string): string => readFileSync(join(root, name), 'utf8');

const LINES = `${Array.from({ length: 12 }, (_, at) => `line ${at}`).join('\n')}\n`;

test('a pull brings edits, new files, deletions and modes, and merges them with edits of the host', async () => {
  const { root, guest } = await sent({
    both: LINES,
    mine: 'one\n',
    theirs: 'one\n',
    gone: 'one\n',
    'a/b/c': 'x\n',
  });
  put(root, 'both', LINES.replace('line 1\n', 'host\n'));
  put(root, 'mine', 'host\n');
  chmodSync(join(root, 'theirs'), 0o640);
  put(guest, 'both', LINES.replace('line 10\n', 'guest\n'));
  put(guest, 'theirs', 'guest\n');
  chmodSync(join(guest, 'theirs'), 0o755);
  put(guest, 'new/deep/file', 'new\n');
  symlinkSync('deep/file', join(guest, 'new/link'));
  rmSync(join(guest, 'gone'));
  rmSync(join(guest, 'a'), { recursive: true });
  scratch.git(guest, 'add', '-A');
  scratch.git(guest, 'commit', '-q', '-m', 'in the guest');
  const plan = await pull({ dryRun: true });
  assert.equal(plan.isApplied, false);
  assert.equal(read(root, 'theirs'), 'one\n', 'a dry run changes nothing');
  const done = await pull({ expected: plan.digest, umask: 0o077 });
  assert.deepEqual(
    done.paths.map(({ path, action }) => `${action} ${path}`),
    ['delete a/b/c', 'merge both', 'delete gone', 'add new/deep/file', 'add new/link', 'modify theirs'],
  );
  assert.equal(read(root, 'both'), LINES.replace('line 1\n', 'host\n').replace('line 10\n', 'guest\n'));
  assert.equal(read(root, 'mine'), 'host\n');
  assert.equal(read(root, 'new/link'), 'new\n');
  assert.equal(lstatSync(join(root, 'theirs')).mode & 0o777, 0o750);
  assert.equal(lstatSync(join(root, 'new/deep/file')).mode & 0o777, 0o600);
  assert.ok(!existsSync(join(root, 'a')), 'its folder is empty');
  assert.equal(scratch.git(root, 'log', '--format=%s').toString(), 'first\n', 'commits stay in the guest');
  assert.deepEqual((await pull()).paths, [], 'there is nothing more');
});

test('a second pull merges from the first, and an undo takes back only the last', async () => {
  const { root, guest } = await sent({ file: 'one\n' });
  put(guest, 'file', 'two\n');
  await pull();
  put(guest, 'file', 'three\n');
  put(guest, 'new', 'new\n');
  await pull();
  assert.equal(read(root, 'file'), 'three\n');
  const { paths } = await lab.client.undoPull('web', { signal });
  assert.deepEqual(paths.sort(), ['file', 'new']);
  assert.equal(read(root, 'file'), 'two\n');
  assert.ok(!existsSync(join(root, 'new')));
  assert.equal((await failing(lab.client.undoPull('web', { signal }))).code, 'WORKSPACE_PULL_NONE');
  await pull();
  assert.equal(read(root, 'file'), 'three\n', 'it can be pulled again');
  put(guest, 'file', 'one\n');
  await pull();
  assert.equal(read(root, 'file'), 'one\n', 'back to what was sent');
  put(root, 'file', 'host\n');
  const refused = await failing(lab.client.undoPull('web', { signal }));
  assert.deepEqual([refused.code, refused.details?.['paths']], ['WORKSPACE_PULL_STALE', ['file']]);
  assert.equal(read(root, 'file'), 'host\n');
});

test('a copy overwrites nothing that an undo has taken from the host', async () => {
  const { root, guest } = await sent({ file: 'one\n' });
  put(guest, 'file', 'two\n');
  await pull();
  await lab.client.undoPull('web', { signal });
  put(root, 'file', 'host\n');
  const refused = await failing(prepareIn(lab, root, guest));
  assert.deepEqual([refused.code, refused.details?.['paths']], ['WORKSPACE_GUEST_CHANGED', ['file']]);
  assert.match(refused.hint ?? '', /banger vm workspace pull web\)/);
  assert.equal(read(guest, 'file'), 'two\n');
});

test('a copy overwrites no commits after a pull, which takes files only', async () => {
  const { root, guest } = await sent({ file: 'one\n' });
  put(guest, 'file', 'two\n');
  scratch.git(guest, 'commit', '-q', '-a', '-m', 'theirs');
  await pull();
  assert.equal(read(root, 'file'), 'two\n');
  put(root, 'other', 'host\n');
  const refused = await failing(prepareIn(lab, root, guest));
  assert.equal(refused.code, 'WORKSPACE_GUEST_CHANGED');
  assert.match(refused.hint ?? '', /workspace pull web --branch NAME/);
  assert.equal(scratch.git(guest, 'log', '--format=%s').toString(), 'theirs\nfirst\n');
});

test('all conflicts are reported and change nothing; markers write those of text', async () => {
  const { root, guest } = await sent({
    text: 'one\n',
    kept: 'one\n',
    lost: 'one\n',
    fine: 'one\n',
    bin: 'a\0b',
  });
  put(root, 'untracked', 'of the host\n');
  put(guest, 'untracked', 'of the guest\n');
  for (const [at, name] of [
    ['host', root],
    ['guest', guest],
  ] as const) {
    put(name, 'text', `${at}\n`);
    put(name, 'bin', `${at}\0`);
  }
  put(root, 'kept', 'host\n');
  rmSync(join(guest, 'kept'));
  rmSync(join(root, 'lost'));
  put(guest, 'lost', 'guest\n');
  put(guest, 'fine', 'guest\n');
  const before = treeOf(root);
  const refused = await failing(pull());
  assert.equal(refused.code, 'WORKSPACE_PULL_CONFLICT');
  assert.deepEqual(refused.details?.['paths'], ['bin', 'kept', 'lost', 'text', 'untracked']);
  assert.deepEqual(treeOf(root), before);
  const done = await pull({ conflicts: 'markers' });
  assert.deepEqual(
    done.conflicts.filter(({ isMarked }) => isMarked).map(({ path }) => path),
    ['text'],
  );
  assert.match(read(root, 'text'), /^<<<<<<< this host\nhost\n=======\nguest\n>>>>>>> the VM\n$/);
  assert.equal(read(root, 'fine'), 'guest\n');
  assert.deepEqual(
    ['untracked', 'kept'].map((name) => read(root, name)),
    ['of the host\n', 'host\n'],
  );
  await lab.client.undoPull('web', { signal });
  assert.deepEqual(treeOf(root), before);
});

test('files of the host that git ignores, or that an index hides, are never overwritten', async () => {
  const { root, guest } = await sent({ '.gitignore': 'secret\n', hidden: 'one\n' });
  put(root, 'secret', 'of the host\n');
  scratch.git(root, 'update-index', '--assume-unchanged', 'hidden');
  put(root, 'hidden', 'two\n');
  put(guest, 'hidden', 'new\n');
  put(guest, 'secret', 'of the guest\n');
  scratch.git(guest, 'add', '-f', 'secret');
  assert.deepEqual((await failing(pull())).details?.['paths'], ['hidden', 'secret']);
});

test('what would harm the host is refused, whatever else was changed', async () => {
  const { root, guest } = await sent({ 'src/file': 'one\n', '.husky/pre-commit': 'true\n', Readme: 'one\n' });
  scratch.git(root, 'config', 'core.hooksPath', '.husky');
  put(guest, '.husky/pre-commit', 'touch /tmp/owned\n');
  put(guest, 'README', 'other\n');
  put(guest, 'src/fine', 'fine\n');
  symlinkSync('/etc', join(guest, 'src/etc'));
  symlinkSync('fine/../../..', join(guest, 'src/up'));
  symlinkSync('.git/hooks', join(guest, 'hooks'));
  put(guest, 'caf\u00e9', '1\n');
  put(guest, 'cafe\u0301', '2\n');
  const before = treeOf(root);
  const refused = await failing(pull());
  assert.equal(refused.code, 'WORKSPACE_PULL_REFUSED');
  assert.deepEqual(refused.details?.['paths'], [
    '.husky/pre-commit',
    'README',
    'cafe\u0301',
    'caf\u00e9',
    'hooks',
    'src/etc',
    'src/up',
  ]);
  assert.deepEqual(treeOf(root), before);
});

test('a folder that the host replaced by a link is never written through', async () => {
  const { root, guest } = await sent({ 'dir/file': 'one\n' });
  const outside = join(scratch.dir, `outside${count}`);
  mkdirSync(outside);
  writeFileSync(join(outside, 'file'), 'one\n');
  rmSync(join(root, 'dir'), { recursive: true });
  symlinkSync(outside, join(root, 'dir'));
  put(guest, 'dir/file', 'guest\n');
  put(guest, 'dir/new', 'guest\n');
  assert.deepEqual((await failing(pull())).details?.['paths'], ['dir/file', 'dir/new']);
  assert.deepEqual(readdirSync(outside), ['file']);
  assert.equal(read(outside, 'file'), 'one\n');
});

test('line ends are written as the working tree has them', async () => {
  const { root, guest } = await sent({ '.gitattributes': '*.txt text eol=crlf\n', 'a.txt': 'one\r\n' });
  put(guest, 'a.txt', 'one\r\ntwo\r\n');
  put(guest, 'b.txt', 'new\r\n');
  await pull();
  assert.deepEqual([read(root, 'a.txt'), read(root, 'b.txt')], ['one\r\ntwo\r\n', 'new\r\n']);
});

test('a file that a filter converts is taken from the VM, unless it was changed here too', async () => {
  count += 1;
  const root = scratch.init(`host${count}`);
  scratch.git(root, 'config', 'filter.caps.clean', 'tr a-z A-Z');
  put(root, '.gitattributes', '*.caps filter=caps\n');
  for (const name of ['theirs.caps', 'both.caps']) put(root, name, 'one\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'first');
  const old = new Date(Date.now() - 60_000);
  for (const name of ['theirs.caps', 'both.caps']) utimesSync(join(root, name), old, old);
  scratch.git(root, 'status');
  const guest = join(lab.dir, `guest${count}`);
  await prepareIn(lab, root, guest);
  put(guest, 'theirs.caps', 'guest\n');
  put(guest, 'both.caps', 'guest\n');
  put(root, 'both.caps', 'host\n');
  assert.deepEqual((await failing(pull())).details?.['paths'], ['both.caps']);
  put(root, 'both.caps', 'guest\n');
  const { paths } = await pull();
  assert.deepEqual(
    paths.map(({ path }) => path),
    ['theirs.caps'],
  );
  assert.equal(read(root, 'theirs.caps'), 'guest\n');
});

test('commits land as a branch; nothing else of the repository changes', async () => {
  const { root, guest } = await sent({ file: 'one\n' });
  const none = await failing(resultOf(lab.client.pullBranch('web', { name: 'x' }, { signal })));
  assert.equal(none.code, 'WORKSPACE_PULL_NO_COMMITS');
  put(root, '.git/hooks/reference-transaction', '#!/bin/sh\ntouch "$GIT_DIR/ran"\n');
  chmodSync(join(root, '.git/hooks/reference-transaction'), 0o755);
  for (const at of [1, 2]) {
    put(guest, 'file', `${at}\n`);
    scratch.git(guest, 'commit', '-q', '-a', '-m', `commit ${at}`);
  }
  put(guest, 'file', 'not committed\n');
  const landed = await resultOf(lab.client.pullBranch('web', { name: 'from-web' }, { signal }));
  assert.deepEqual([landed.commitCount, landed.isComplete], [2, false]);
  assert.equal(scratch.git(root, 'log', '--format=%s', 'main..from-web').toString(), 'commit 2\ncommit 1\n');
  assert.ok(!existsSync(join(root, '.git/ran')), 'no hook was run');
  assert.equal(read(root, 'file'), 'one\n');
  rmSync(join(root, '.git/hooks/reference-transaction'));
  scratch.git(root, 'fsck', '--strict');
  const again = await failing(resultOf(lab.client.pullBranch('web', { name: 'from-web' }, { signal })));
  assert.equal(again.code, 'WORKSPACE_BRANCH_REFUSED');
});

test('a pull needs the tree that the host has sent', async () => {
  const { guest } = await sent({ file: 'one\n' });
  scratch.git(guest, 'update-ref', 'refs/banger/sent', 'HEAD^{commit}');
  put(guest, 'file', 'two\n');
  assert.equal((await failing(pull())).code, 'WORKSPACE_PULL_BASE_UNKNOWN');
});

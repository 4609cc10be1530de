import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();

let lab: DaemonLab;
let scratch: Scratch;
let root: string;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
  scratch = makeScratch();
  root = scratch.init('repo');
  put(root, 'file', 'first\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'first');
  scratch.git(root, 'tag', 'v1');
  put(root, 'late');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'second');
  put(root, 'file', 'edited\n');
  put(root, 'untracked');
  await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
});

after(async () => {
  await lab[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

test('the guest is on the requested branch, with the edits of the working tree', async () => {
  const guestPath = join(lab.dir, 'on-branch');
  const request = { path: root, guestPath, branch: 'fix/it', from: 'v1', includeUntracked: true };
  const prepared = await resultOf(lab.client.prepareWorkspace('web', request, { signal }));
  assert.equal(prepared.branch, 'fix/it');
  assert.equal(
    scratch.git(guestPath, 'status', '--porcelain', '--branch').toString(),
    '## fix/it\n M file\n?? untracked\n',
  );
  assert.equal(readFileSync(join(guestPath, 'file'), 'utf8'), 'edited\n');
  assert.equal(
    scratch.git(guestPath, 'rev-parse', 'HEAD').toString(),
    scratch.git(root, 'rev-parse', 'v1').toString(),
  );
});

test('a branch from another commit fails when the guest cannot record its files, and an export would have the wrong beginning', async () => {
  const guestPath = join(lab.dir, 'not-recorded');
  await resultOf(lab.client.prepareWorkspace('web', { path: root, guestPath }, { signal }));
  // git refuses to add a repository without commits.
  scratch.git(guestPath, 'init', '-q', 'nested');
  const request = { path: root, guestPath, branch: 'other', from: 'v1' };
  await assert.rejects(resultOf(lab.client.prepareWorkspace('web', request, { signal })), {
    code: 'WORKSPACE_BRANCH_REFUSED',
    message: /Cannot record the files of the branch "other"/,
  });
});

test('a VM reports which commit its workspace is a copy of, and on request the present one', async () => {
  const guestPath = join(lab.dir, 'copied');
  const { headCommit } = await resultOf(
    lab.client.prepareWorkspace('web', { path: root, guestPath }, { signal }),
  );
  const plain = (await lab.client.showVm('web', { signal })).workspace;
  const sentCommit = scratch.git(guestPath, 'rev-parse', 'refs/banger/sent').toString().trim();
  assert.deepEqual(plain, { guestPath, sourcePath: root, headCommit, sentCommit });
  const before = (await lab.client.showVm('web', { withHost: true, signal })).workspace;
  assert.equal(before?.hostHeadCommit, headCommit);
  scratch.git(root, 'commit', '-q', '--allow-empty', '-m', 'third');
  const after = (await lab.client.showVm('web', { withHost: true, signal })).workspace;
  assert.equal(after?.headCommit, headCommit);
  assert.equal(after?.hostHeadCommit, scratch.git(root, 'rev-parse', 'HEAD').toString().trim());
});

test('an invalid branch is refused before anything is sent', async () => {
  const guestPath = join(lab.dir, 'refused');
  const request = { path: root, guestPath, branch: 'main' };
  await assert.rejects(resultOf(lab.client.prepareWorkspace('web', request, { signal })), {
    code: 'WORKSPACE_BRANCH_REFUSED',
  });
  await assert.rejects(lab.client.inspectWorkspace(request, { signal }), { code: 'REQUEST_INVALID' });
});

test('an inspection lists the files that would be sent, on request', async () => {
  const plain = await lab.client.inspectWorkspace({ path: root }, { signal });
  assert.equal(plain.files, undefined);
  const named = await lab.client.inspectWorkspace(
    { path: root, includeUntracked: true, withFiles: true },
    { signal },
  );
  assert.deepEqual(named.files, ['file', 'late', 'untracked']);
});

const foldersOfPacking = (): string[] =>
  readdirSync(lab.settings.paths.workspaceTempDir).filter((name) => !name.includes('.'));

/**
 * Returns when nothing of a packing is left: it is deleted once the daemon notices that its client is gone.
 */
async function assertNothingPacked(): Promise<void> {
  await until(() => foldersOfPacking().length === 0, { what: 'the packed files to be deleted' });
}

test('a working tree that was packed before its VM existed is sent once, with the choices of that time', async () => {
  await using pack = await lab.client.packWorkspace({ path: root, branch: 'early' }, { signal });
  const { packId, summary } = pack.value;
  assert.equal(summary.trackedCount, 2);
  assert.equal(foldersOfPacking().length, 1);
  const guestPath = join(lab.dir, 'packed-before');
  const request = { path: root, branch: 'early', guestPath, packId };
  const { branch, bytes } = await resultOf(lab.client.prepareWorkspace('web', request, { signal }));
  assert.equal(branch, 'early');
  assert.ok(bytes > 0);
  assert.equal(readFileSync(join(guestPath, 'file'), 'utf8'), 'edited\n');
  await assertNothingPacked();
  const again = { ...request, branch: 'late', guestPath: join(lab.dir, 'packed-again') };
  assert.equal((await resultOf(lab.client.prepareWorkspace('web', again, { signal }))).branch, 'late');
});

test('a VM does not get a packing with other choices', async () => {
  await using pack = await lab.client.packWorkspace({ path: root }, { signal });
  const guestPath = join(lab.dir, 'other-choice');
  const request = { path: root, includeUntracked: true, guestPath, packId: pack.value.packId };
  await resultOf(lab.client.prepareWorkspace('web', request, { signal }));
  assert.ok(readdirSync(guestPath).includes('untracked'));
});

test('a packing ends with its client, and nothing of it is left', async () => {
  const pack = await lab.client.packWorkspace({ path: root }, { signal });
  assert.equal(foldersOfPacking().length, 1);
  await pack[Symbol.asyncDispose]();
  await assertNothingPacked();
});

test('packing refuses the same as inspecting', async () => {
  await assert.rejects(lab.client.packWorkspace({ path: '/proc' }, { signal }), {
    code: 'WORKSPACE_NOT_GIT',
  });
  await assert.rejects(lab.client.packWorkspace({ path: root, branch: 'main' }, { signal }), {
    code: 'WORKSPACE_BRANCH_REFUSED',
  });
  await assertNothingPacked();
});

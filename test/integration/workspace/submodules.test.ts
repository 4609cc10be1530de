import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { SENT_REF } from '../../../src/protocol/workspace-state.ts';
import {
  assertNothingLeft,
  assertSameToGit,
  makeScratch,
  put,
  type Scratch,
  sendTo,
} from '../../helpers/scratch-repository.ts';
import { addSubmodule, commitAll, withSubmodules } from '../../helpers/submodules.ts';

const signal = neverAborts();

function photograph(root: string): string[] {
  return readdirSync(root, { recursive: true }).map(String).sort();
}

test('initialised submodules are sent with their own history and edits, also inside others; the rest stay empty', async () => {
  using scratch = makeScratch();
  const { root } = withSubmodules(scratch);
  put(root, 'lib/code', 'edited\n');
  put(root, 'lib/nested/deep', 'edited deep\n');
  put(root, 'lib/untracked');
  const before = photograph(root);
  const { guest, summary } = await sendTo(scratch, root);
  assert.deepEqual(photograph(root), before, 'nothing is written on the host');
  assert.deepEqual(summary.submodules, ['lib', 'lib/nested']);
  assertSameToGit(scratch, root, guest);
  for (const name of ['lib', 'lib/nested']) {
    assertSameToGit(scratch, join(root, name), join(guest, name));
    scratch.git(join(guest, name), 'fsck', '--strict');
    scratch.git(join(guest, name), 'rev-parse', SENT_REF);
  }
  assert.deepEqual(readdirSync(join(guest, 'unused')), [], 'as git left it');
  assert.equal(existsSync(join(guest, 'lib/untracked')), false);
  const status = (at: string): string => scratch.git(at, 'submodule', 'status').toString();
  assert.equal(status(guest), status(root));
  const add = scratch.git(guest, 'add', '--all', '--dry-run').toString();
  assert.equal(add, '', 'to the guest, nothing has changed');
});

test('a commit of a submodule that its repository has not recorded is what the guest starts from', async () => {
  using scratch = makeScratch();
  const { root } = withSubmodules(scratch);
  put(root, 'lib/code', 'newer\n');
  commitAll(scratch, join(root, 'lib'), 'newer');
  const { guest } = await sendTo(scratch, root);
  assertSameToGit(scratch, root, guest);
  const sent = scratch.git(guest, 'ls-tree', SENT_REF, 'lib').toString();
  assert.ok(sent.includes(scratch.git(join(root, 'lib'), 'rev-parse', 'HEAD').toString().trim()));
  scratch.git(root, 'add', 'lib');
  const staged = await sendTo(scratch, root, { name: 'staged' });
  assertSameToGit(scratch, root, staged.guest);
});

test('untracked files of submodules are sent and counted as those of their repository', async () => {
  using scratch = makeScratch();
  const { root } = withSubmodules(scratch);
  put(root, 'lib/untracked');
  put(root, 'own');
  const { guest, summary } = await sendTo(scratch, root, { includeUntracked: true });
  assert.ok(existsSync(join(guest, 'lib/untracked')) && existsSync(join(guest, 'own')));
  assert.equal(summary.untrackedCount, 2);
  const inspected = await scratch.source.inspect(root, { withFiles: true, includeUntracked: true, signal });
  assert.ok(inspected.files?.includes('lib/nested/deep') && inspected.files.includes('lib/untracked'));
  assert.equal(inspected.trackedCount, summary.trackedCount);
});

test('--no-submodules leaves their folders empty', async () => {
  using scratch = makeScratch();
  const { root } = withSubmodules(scratch);
  put(root, 'lib/code', 'newer\n');
  commitAll(scratch, join(root, 'lib'), 'newer');
  const { guest, summary } = await sendTo(scratch, root, { noSubmodules: true });
  assert.equal(summary.submodules, undefined);
  assert.deepEqual(readdirSync(join(guest, 'lib')), []);
  assert.equal(scratch.git(guest, 'status', '--porcelain').toString(), '');
  assert.equal(scratch.git(guest, 'add', '--all', '--dry-run').toString(), '');
});

test('a submodule that is missing on disk, or was replaced by a file, is so in the guest', async () => {
  using scratch = makeScratch();
  const { root } = withSubmodules(scratch);
  rmSync(join(root, 'lib'), { recursive: true });
  rmSync(join(root, 'unused'), { recursive: true });
  put(root, 'unused', 'a file\n');
  const { guest } = await sendTo(scratch, root);
  assertSameToGit(scratch, root, guest);
});

test('a submodule of a linked working tree', async () => {
  using scratch = makeScratch();
  const { root } = withSubmodules(scratch);
  const linked = join(scratch.dir, 'linked');
  scratch.git(root, 'worktree', 'add', '-q', '-b', 'side', linked);
  const bare = await sendTo(scratch, linked, { name: 'guest1' });
  assert.equal(bare.summary.submodules, undefined, 'git does not initialise them');
  assertSameToGit(scratch, linked, bare.guest);
  const allow = ['-c', 'protocol.file.allow=always'];
  scratch.git(linked, ...allow, 'submodule', '--quiet', 'update', '--init', 'lib');
  const { guest } = await sendTo(scratch, linked, { name: 'guest2' });
  assertSameToGit(scratch, linked, guest);
  assertSameToGit(scratch, join(linked, 'lib'), join(guest, 'lib'));
});

test('submodules run nothing on the host: no hook, filter or monitor of their own settings', async () => {
  using scratch = makeScratch();
  const { root } = withSubmodules(scratch);
  const marker = join(scratch.dir, 'was-run');
  const program = join(scratch.dir, 'program');
  writeFileSync(program, `#!/bin/sh\necho "$0 $*" >> '${marker}'\ncat\n`);
  chmodSync(program, 0o755);
  const lib = join(root, 'lib');
  put(lib, '.gitattributes', '* filter=evil\n');
  put(lib, 'code', 'edited and to be read\n');
  for (const name of ['core.fsmonitor', 'filter.evil.clean', 'filter.evil.process', 'diff.external']) {
    scratch.git(lib, 'config', name, program);
  }
  await scratch.source.inspect(root, { withFiles: true, signal });
  await sendTo(scratch, root, { includeUntracked: true });
  assert.equal(existsSync(marker), false, existsSync(marker) ? readFileSync(marker, 'utf8') : '');
});

/** Every call refuses, names `what`, and leaves nothing. */
async function assertRefused(scratch: Scratch, root: string, code: string): Promise<void> {
  for (const call of ['inspect', 'pack'] as const) {
    await assert.rejects(scratch.source[call](root, { signal }), { code });
  }
  assertNothingLeft(scratch);
}

test('a submodule whose git folder does not name it in turn is refused', async () => {
  using scratch = makeScratch();
  const { root } = withSubmodules(scratch);
  const secret = scratch.init('secret');
  put(secret, 'plan', 'secret\n');
  commitAll(scratch, secret, 'secret');
  const entry = join(root, 'lib/.git');
  rmSync(entry);
  writeFileSync(entry, `gitdir: ${secret}/.git\n`);
  await assertRefused(scratch, root, 'WORKSPACE_GIT_ELSEWHERE');
  rmSync(entry);
  symlinkSync(join(secret, '.git'), entry);
  await assertRefused(scratch, root, 'WORKSPACE_GIT_ELSEWHERE');
  rmSync(entry);
  cpSync(join(secret, '.git'), entry, { recursive: true });
  writeFileSync(join(entry, 'objects/info/alternates'), `${secret}/.git/objects\n`);
  await assertRefused(scratch, root, 'WORKSPACE_GIT_ELSEWHERE');
});

test('a submodule behind a link is not followed', async () => {
  using scratch = makeScratch();
  const { root } = withSubmodules(scratch);
  const outside = join(scratch.dir, 'outside');
  renameSync(join(root, 'lib'), outside);
  symlinkSync(outside, join(root, 'lib'));
  const { guest, summary } = await sendTo(scratch, root);
  assert.equal(summary.submodules, undefined);
  assert.equal(readlinkSync(join(guest, 'lib')), outside, 'the link itself');
});

test('a submodule inside a folder that has its own git folder, as old versions of git made them', async () => {
  using scratch = makeScratch();
  const { root, inner } = withSubmodules(scratch);
  scratch.git(root, 'clone', '-q', inner, 'deep/old style');
  scratch.git(root, '-c', 'advice.addEmbeddedRepo=false', 'add', 'deep');
  commitAll(scratch, root, 'a gitlink without .gitmodules');
  const { guest } = await sendTo(scratch, root);
  assertSameToGit(scratch, root, guest);
  assertSameToGit(scratch, join(root, 'deep/old style'), join(guest, 'deep/old style'));
  addSubmodule(scratch, root, inner, 'another');
});

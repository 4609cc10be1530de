import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import {
  assertNothingLeft,
  assertSameToGit,
  filesUnder,
  makeScratch,
  put,
  type Scratch,
  sendTo,
} from '../../helpers/scratch-repository.ts';

const signal = neverAborts();

/** A repository with `main`, and `old` one commit before it. */
function repository(scratch: Scratch): string {
  const root = scratch.init('repo');
  put(root, 'both', 'old\n');
  put(root, 'same', 'same\n');
  put(root, '.gitignore', 'ignored\n');
  commit(scratch, root);
  scratch.git(root, 'branch', 'old');
  put(root, 'both', 'new\n');
  put(root, 'newer', 'newer\n');
  commit(scratch, root);
  return root;
}

function commit(scratch: Scratch, root: string): void {
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'x');
}

const head = (scratch: Scratch, root: string, name: string): string =>
  scratch.git(root, 'rev-parse', name).toString().trim();

test('untracked files are sent on request, but not ignored ones and inner repositories', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  put(root, 'folder/untracked', 'new\n');
  put(root, 'ignored', 'secret\n');
  symlinkSync('/etc/passwd', join(root, 'link'));
  scratch.git(root, 'init', '-q', 'inner');
  put(join(root, 'inner'), 'file');
  const { guest, summary } = await sendTo(scratch, root, { includeUntracked: true });
  assertSameToGit(scratch, root, guest);
  const sent = ['./.gitignore', './both', './folder/untracked', './link', './newer', './same'];
  assert.deepEqual(filesUnder(guest), sent);
  assert.equal(summary.untrackedCount, 3);
  const inspected = await scratch.source.inspect(root, { includeUntracked: true, withFiles: true, signal });
  assert.deepEqual(
    inspected.files,
    sent.map((name) => name.slice(2)),
  );
  assertNothingLeft(scratch);
});

test('an inspection lists the files that are sent', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  put(root, 'untracked');
  put(root, 'bytes \xff', 'x');
  scratch.git(root, 'add', 'bytes \xff');
  execFileSync('rm', [join(root, 'same')]);
  const { files } = await scratch.source.inspect(root, { withFiles: true, signal });
  assert.deepEqual(files, ['.gitignore', 'both', 'bytes \xff', 'newer']);
  assert.equal((await scratch.source.inspect(root, { signal })).files, undefined);
});

test('a branch begins at the requested commit, and keeps edits as git switch does', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  put(root, 'same', 'edited\n');
  const { guest, branchStart } = await sendTo(scratch, root, { branch: 'fix', from: 'old' });
  assert.equal(branchStart, head(scratch, root, 'old'));
  scratch.git(guest, 'checkout', '-q', '--no-track', '-b', 'fix', branchStart ?? '', '--');
  assert.equal(scratch.git(guest, 'status', '--porcelain', '--branch').toString(), '## fix\n M same\n');
  assert.equal(readFileSync(join(guest, 'both'), 'utf8'), 'old\n');
  assert.equal(readFileSync(join(guest, 'same'), 'utf8'), 'edited\n');
});

test('a branch may begin at a commit that is not part of the history of HEAD', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  scratch.git(root, 'switch', '-q', '-c', 'side', 'old');
  put(root, 'side');
  commit(scratch, root);
  scratch.git(root, 'switch', '-q', 'main');
  const { guest, branchStart = '' } = await sendTo(scratch, root, { branch: 'fix', from: 'side~0' });
  scratch.git(guest, 'checkout', '-q', '-b', 'fix', branchStart, '--');
  assert.deepEqual(filesUnder(guest), ['./.gitignore', './both', './same', './side']);
});

test('a branch at HEAD needs no start commit, with or without commits', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  for (const from of [undefined, 'HEAD', 'main']) {
    const content = from === undefined ? {} : { from };
    await using packed = await scratch.source.pack(root, { branch: 'fix', ...content, signal });
    assert.equal(packed.branchStart, undefined);
  }
  const empty = scratch.init('empty');
  put(empty, 'file');
  scratch.git(empty, 'add', '-A');
  assert.equal((await scratch.source.inspect(empty, { branch: 'fix', signal })).branch, 'main');
});

for (const [what, content, code, said] of [
  ['with a name that git does not allow', { branch: 'a..b' }, 'WORKSPACE_BRANCH_INVALID', /a\.\.b/],
  ['that looks like an option', { branch: '--force' }, 'WORKSPACE_BRANCH_INVALID', /--force/],
  ['called HEAD', { branch: 'HEAD' }, 'WORKSPACE_BRANCH_INVALID', /HEAD/],
  ['without a name', { branch: '' }, 'WORKSPACE_BRANCH_INVALID', /""/],
  ['that exists', { branch: 'old' }, 'WORKSPACE_BRANCH_REFUSED', /the branch "old" already exists/],
  [
    'below an existing one',
    { branch: 'old/er' },
    'WORKSPACE_BRANCH_REFUSED',
    /the branch "old" already exists/,
  ],
  [
    'above an existing one',
    { branch: 'group' },
    'WORKSPACE_BRANCH_REFUSED',
    /the branch "group\/one" already exists/,
  ],
  ['at nothing', { branch: 'fix', from: 'nowhere' }, 'WORKSPACE_REF_NOT_FOUND', /"nowhere"/],
  ['at a file', { branch: 'fix', from: 'HEAD:both' }, 'WORKSPACE_REF_NOT_FOUND', /HEAD:both/],
  ['at an option', { branch: 'fix', from: '--all' }, 'WORKSPACE_REF_NOT_FOUND', /--all/],
] as const) {
  test(`a branch ${what} is refused`, async () => {
    using scratch = makeScratch();
    const root = repository(scratch);
    scratch.git(root, 'branch', 'group/one');
    await assert.rejects(scratch.source.inspect(root, { ...content, signal }), { code, message: said });
    assertNothingLeft(scratch);
  });
}

test('a branch is refused when uncommitted edits conflict with its start commit', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  put(root, 'both', 'edited\n');
  const wanted = { branch: 'fix', from: 'old', signal };
  const refusal = { code: 'WORKSPACE_BRANCH_REFUSED', message: /uncommitted changes conflict with "old"/ };
  await assert.rejects(scratch.source.inspect(root, wanted), refusal);
  await assert.rejects(scratch.source.pack(root, wanted), refusal);
  assert.equal(readFileSync(join(root, 'both'), 'utf8'), 'edited\n');
});

test('an untracked file conflicts with a branch only when it is sent', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  scratch.git(root, 'switch', '-q', '-c', 'side');
  put(root, 'late', 'committed\n');
  commit(scratch, root);
  scratch.git(root, 'switch', '-q', 'main');
  put(root, 'late', 'untracked\n');
  const wanted = { branch: 'fix', from: 'side', signal };
  await scratch.source.inspect(root, wanted);
  await assert.rejects(scratch.source.inspect(root, { ...wanted, includeUntracked: true }), {
    code: 'WORKSPACE_BRANCH_REFUSED',
  });
  assert.equal(readFileSync(join(root, 'late'), 'utf8'), 'untracked\n');
});

test('a branch is refused in the middle of a merge', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  writeFileSync(join(root, '.git/MERGE_HEAD'), `${head(scratch, root, 'old')}\n`);
  await assert.rejects(scratch.source.inspect(root, { branch: 'fix', signal }), {
    code: 'WORKSPACE_BRANCH_REFUSED',
    message: /merge.* is unfinished/,
  });
});

test('the tools that a working tree requests are found, those of mise once', async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  const tooling = async (): Promise<unknown> => (await scratch.source.inspect(root, { signal })).tooling;
  assert.equal(await tooling(), undefined);
  put(root, 'go.mod', 'module example.com/x\n\ngo 1.22.3\n');
  put(root, '.nvmrc', 'v20.11.1\n');
  put(root, '.python-version', '3.12\n');
  put(root, 'rust-toolchain.toml', '[toolchain]\nchannel = "1.80.0"\n');
  const pins = ['go@1.22.3', 'node@20.11.1', 'python@3.12', 'rust@1.80.0'];
  assert.deepEqual(await tooling(), { files: [], pins });
  put(root, 'go.mod', 'module example.com/x\n\ngo 1.22.3\n\ntoolchain go1.23.4\n');
  put(root, '.mise.toml', '[tools]\nnode = "22"\n"python" = "3.13"\n');
  put(root, '.tool-versions', 'rust 1.79\n');
  assert.deepEqual(await tooling(), { files: ['.mise.toml', '.tool-versions'], pins: ['go@1.23.4'] });
});

test('a pin that is not a version, and a pin file that is not a regular file, are ignored', async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  put(root, '.nvmrc', 'lts/*; touch /tmp/pwned\n');
  put(root, '.python-version', '$(id)\n');
  put(root, 'rust-toolchain', '--help\n');
  mkdirSync(join(root, '.tool-versions'));
  symlinkSync('/etc/hostname', join(root, '.node-version'));
  assert.equal((await scratch.source.inspect(root, { signal })).tooling, undefined);
});

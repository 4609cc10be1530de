import assert from 'node:assert/strict';
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { createGitWorkspaceSource } from '../../../src/adapters/workspace/git-workspace-source.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import { assertNothingLeft, makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { nullLog } from '../../support/null-log.ts';

interface Refusal {
  code: string;
  message?: RegExp;
  hint?: RegExp;
}

/** Both calls refuse in the same way, and leave nothing. */
async function assertRefused(scratch: Scratch, path: string, expected: Refusal): Promise<void> {
  for (const call of ['inspect', 'pack'] as const) {
    await assert.rejects(scratch.source[call](path, { signal: neverAborts() }), (error: unknown) => {
      assert.ok(error instanceof AppError, String(error));
      assert.equal(error.code, expected.code, error.message);
      if (expected.message) assert.match(error.message, expected.message);
      if (expected.hint) assert.match(error.hint ?? '', expected.hint);
      return true;
    });
  }
  assertNothingLeft(scratch);
}

function commitOne(scratch: Scratch, name: string): string {
  const root = scratch.init(name);
  put(root, 'folder/file');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'one');
  return root;
}

test('a missing, relative or invalid path, or one of a file, is refused', async () => {
  using scratch = makeScratch();
  const root = commitOne(scratch, 'repo');
  await assertRefused(scratch, join(scratch.dir, 'nowhere'), {
    code: 'WORKSPACE_NOT_FOUND',
    message: /exist/,
  });
  await assertRefused(scratch, join(root, 'folder/file'), {
    code: 'WORKSPACE_NOT_FOUND',
    message: /not a folder/,
    hint: /folder"$/,
  });
  await assertRefused(scratch, join(root, 'folder/file/below'), { code: 'WORKSPACE_NOT_FOUND' });
  await assertRefused(scratch, 'repo', { code: 'WORKSPACE_NOT_FOUND', message: /absolute/ });
  await assertRefused(scratch, '/nul\0byte', { code: 'WORKSPACE_NOT_FOUND' });
});

test('a folder outside any repository is refused, also below a folder that only looks like one', async () => {
  using scratch = makeScratch();
  mkdirSync(join(scratch.dir, 'plain'));
  await assertRefused(scratch, join(scratch.dir, 'plain'), { code: 'WORKSPACE_NOT_GIT', hint: /git init/ });
  mkdirSync(join(scratch.dir, 'fake/.git'), { recursive: true });
  await assertRefused(scratch, join(scratch.dir, 'fake'), { code: 'WORKSPACE_GIT_FAILED' });
});

test('a bare repository is refused, wherever the path is in it', async () => {
  using scratch = makeScratch();
  const bare = join(scratch.dir, 'bare.git');
  scratch.git(scratch.dir, 'init', '-q', '--bare', bare);
  await assertRefused(scratch, bare, { code: 'WORKSPACE_BARE', hint: /git clone/ });
  await assertRefused(scratch, join(bare, 'objects'), { code: 'WORKSPACE_BARE' });
});

test('a path inside .git is refused', async () => {
  using scratch = makeScratch();
  const root = commitOne(scratch, 'repo');
  await assertRefused(scratch, join(root, '.git'), { code: 'WORKSPACE_NOT_GIT', message: /git folder/ });
  await assertRefused(scratch, join(root, '.git/objects'), { code: 'WORKSPACE_NOT_GIT' });
});

test('a submodule whose .git is no repository is refused, and left out on request', async () => {
  using scratch = makeScratch();
  const inner = commitOne(scratch, 'inner');
  const root = commitOne(scratch, 'repo');
  scratch.git(root, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', inner, 'sub one');
  rmSync(join(root, 'sub one/.git'));
  mkdirSync(join(root, 'sub one/.git'));
  await assertRefused(scratch, root, {
    code: 'WORKSPACE_SUBMODULES',
    message: /"[^"]*repo\/sub one": its \.git is not a repository$/,
    hint: /--no-submodules/,
  });
  await scratch.source.inspect(root, { noSubmodules: true, signal: neverAborts() });
});

test('the errors for a missing or too old git name the packages', async () => {
  using scratch = makeScratch();
  const root = commitOne(scratch, 'repo');
  const bin = join(scratch.dir, 'bin');
  mkdirSync(bin);
  const without = { ...scratch, source: sourceWithPath(scratch, bin) };
  await assertRefused(without, root, { code: 'WORKSPACE_GIT_MISSING', hint: /apt.*dnf.*pacman.*zypper/ });
  writeFileSync(join(bin, 'git'), '#!/bin/sh\necho git version 2.30.2\n');
  chmodSync(join(bin, 'git'), 0o755);
  const old = { ...scratch, source: sourceWithPath(scratch, [bin, '/bin'].join(delimiter)) };
  await assertRefused(old, root, { code: 'WORKSPACE_GIT_MISSING', message: /2\.30\.2.*2\.31/ });
});

test('a missing tar and one that is not GNU tar are refused', async () => {
  using scratch = makeScratch();
  const root = commitOne(scratch, 'repo');
  const bin = join(scratch.dir, 'bin');
  mkdirSync(bin);
  const git = (process.env['PATH'] ?? '').split(delimiter).find((dir) => existsSync(join(dir, 'git')));
  symlinkSync(join(git ?? '', 'git'), join(bin, 'git'));
  const source = sourceWithPath(scratch, bin);
  const refusal = { code: 'WORKSPACE_TAR_MISSING' };
  await assert.rejects(source.inspect(root, { signal: neverAborts() }), refusal);
  await assert.rejects(source.pack(root, { signal: neverAborts() }), refusal);
  writeFileSync(join(bin, 'tar'), '#!/bin/sh\necho bsdtar 3.6.2\n');
  chmodSync(join(bin, 'tar'), 0o755);
  await assert.rejects(source.inspect(root, { signal: neverAborts() }), refusal);
  assertNothingLeft(scratch);
});

test('a repository of another user is refused with the command that allows it', async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('only root can give a folder away');
  using scratch = makeScratch();
  const root = commitOne(scratch, 'repo');
  chownSync(root, 12345, 12345);
  chownSync(join(root, '.git'), 12345, 12345);
  await assertRefused(scratch, root, {
    code: 'WORKSPACE_GIT_FAILED',
    hint: new RegExp(`^git config --global --add safe.directory "${root}"$`),
  });
});

test('a damaged repository is refused with the message of git', async () => {
  using scratch = makeScratch();
  const root = commitOne(scratch, 'repo');
  writeFileSync(join(root, '.git/index'), 'garbage');
  await assert.rejects(scratch.source.inspect(root, { signal: neverAborts() }), (error: unknown) => {
    assert.ok(error instanceof AppError);
    assert.equal(error.code, 'WORKSPACE_GIT_FAILED');
    assert.match((error.cause as Error).message, /index file/);
    return true;
  });
  assertNothingLeft(scratch);
});

test('the archive of a repository with missing objects fails with the message of git', async () => {
  using scratch = makeScratch();
  const root = commitOne(scratch, 'repo');
  const blob = scratch.git(root, 'rev-parse', 'HEAD:folder/file').toString().trim();
  rmSync(join(root, '.git/objects', blob.slice(0, 2), blob.slice(2)));
  {
    await using packed = await scratch.source.pack(root, { signal: neverAborts() });
    await assert.rejects(packed.tar.toArray(), (error: unknown) => {
      assert.ok(error instanceof AppError);
      assert.equal(error.code, 'WORKSPACE_GIT_FAILED');
      assert.match((error.cause as Error).message, new RegExp(blob));
      return true;
    });
    await assert.rejects(packed.done, { code: 'WORKSPACE_GIT_FAILED' });
  }
  assertNothingLeft(scratch);
});

function sourceWithPath(scratch: Scratch, path: string) {
  return createGitWorkspaceSource({
    tempDir: scratch.tempDir,
    env: { ...scratch.env, PATH: path },
    userGitDir: join(scratch.home, '.config', 'git'),
    log: nullLog,
  });
}

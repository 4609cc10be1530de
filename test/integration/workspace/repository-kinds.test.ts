import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { createGitWorkspaceSource } from '../../../src/adapters/workspace/git-workspace-source.ts';
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
import { commitAll } from '../../helpers/submodules.ts';
import { nullLog } from '../../support/null-log.ts';

const signal = neverAborts();

function repository(scratch: Scratch, name = 'repo'): string {
  const root = scratch.init(name);
  put(root, 'file', 'first\n');
  put(root, 'folder/other', 'one\n');
  commitAll(scratch, root, 'first');
  put(root, 'file', 'two\n');
  commitAll(scratch, root, 'second');
  return root;
}

/** A linked working tree with an edit, checked to be sent as it is. */
async function assertSent(scratch: Scratch, linked: string, name: string): Promise<void> {
  put(linked, 'file', `edited in ${name}\n`);
  const { guest } = await sendTo(scratch, linked, { name });
  assertSameToGit(scratch, linked, guest);
  scratch.git(guest, 'fsck', '--strict');
  assert.equal(readdirSync(join(guest, '.git')).includes('worktrees'), false);
}

test('a linked working tree with relative paths, as git can write them, is sent', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  const linked = join(scratch.dir, 'linked');
  scratch.git(root, 'worktree', 'add', '-q', '-b', 'side', linked);
  const gitDir = join(root, '.git/worktrees/linked');
  writeFileSync(join(linked, '.git'), `gitdir: ${relative(linked, gitDir)}\n`);
  writeFileSync(join(gitDir, 'gitdir'), `${relative(gitDir, join(linked, '.git'))}\n`);
  await assertSent(scratch, linked, 'relative');
  // Both moved together: relative paths still lead to each other.
  const together = join(scratch.dir, 'together');
  mkdirSync(together);
  renameSync(root, join(together, 'repo'));
  renameSync(linked, join(together, 'linked'));
  await assertSent(scratch, join(together, 'linked'), 'moved');
});

test('a linked working tree of a bare repository is sent', async () => {
  using scratch = makeScratch();
  const bare = join(scratch.dir, 'bare.git');
  scratch.git(scratch.dir, 'clone', '-q', '--bare', repository(scratch), bare);
  const linked = join(scratch.dir, 'linked');
  scratch.git(bare, 'worktree', 'add', '-q', linked, 'main');
  await assertSent(scratch, linked, 'of-bare');
  await assert.rejects(scratch.source.inspect(bare, { signal }), { code: 'WORKSPACE_BARE' });
});

test('a linked working tree with settings and a sparse checkout of its own is sent', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  const linked = join(scratch.dir, 'linked');
  scratch.git(root, 'worktree', 'add', '-q', '-b', 'side', linked);
  scratch.git(linked, 'sparse-checkout', 'set', '--cone');
  const { guest } = await sendTo(scratch, linked);
  assertSameToGit(scratch, linked, guest);
  assert.deepEqual(filesUnder(guest), ['./file']);
});

test('a linked working tree whose repository was moved is refused, with where its .git file leads', async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  const linked = join(scratch.dir, 'linked');
  scratch.git(root, 'worktree', 'add', '-q', '-b', 'side', linked);
  renameSync(root, join(scratch.dir, 'moved'));
  await assert.rejects(scratch.source.pack(linked, { signal }), (error: { hint?: string }) => {
    assert.match(
      String(error),
      /its \.git file leads to "[^"]*repo\/\.git\/worktrees\/linked", which does not exist/,
    );
    assert.match(error.hint ?? '', /git worktree repair "[^"]*linked"$/);
    return true;
  });
  assertNothingLeft(scratch);
  scratch.git(join(scratch.dir, 'moved'), 'worktree', 'repair', linked);
  await assertSent(scratch, linked, 'repaired');
});

for (const filter of ['blob:none', 'tree:0']) {
  test(`a new branch of a partial clone (${filter}) is refused when objects are missing, and they are named`, async () => {
    using scratch = makeScratch();
    const origin = repository(scratch, 'origin');
    scratch.git(origin, 'config', 'uploadpack.allowFilter', 'true');
    scratch.git(origin, 'config', 'uploadpack.allowAnySHA1InWant', 'true');
    const root = join(scratch.dir, 'partial');
    scratch.git(scratch.dir, 'clone', '-q', `--filter=${filter}`, `file://${origin}`, root);
    const plain = await sendTo(scratch, root, { name: 'plain' });
    assert.equal(scratch.git(plain.guest, 'status', '--porcelain').toString(), '');
    let hint = '';
    await assert.rejects(
      scratch.source.pack(root, { branch: 'fix', from: 'HEAD~1', signal }),
      (error: { code?: string; hint?: string }) => {
        assert.equal(error.code, 'WORKSPACE_OBJECTS_MISSING');
        assert.match(
          String(error),
          filter === 'blob:none' ? /1 file that it needs: "file"$/ : /lacks folders/,
        );
        hint = error.hint ?? '';
        return true;
      },
    );
    assertNothingLeft(scratch);
    const missing = scratch.git(root, 'rev-list', '--objects', '--missing=print', 'HEAD').toString();
    assert.match(missing, /^\?/m, 'nothing was fetched');
    const command = hint.replace('have git fetch them: ', '');
    assert.equal(spawnSync('sh', ['-c', command], { env: scratch.env }).status, 0, command);
    const { guest } = await sendTo(scratch, root, { name: 'guest', branch: 'fix', from: 'HEAD~1' });
    scratch.git(guest, 'checkout', '-q', '-b', 'fix', 'HEAD~1');
    assert.equal(readFileSync(join(guest, 'file'), 'utf8'), 'first\n');
  });
}

test("in a git hook, the guest gets the files on disk and the repository's own index", async () => {
  using scratch = makeScratch();
  const root = repository(scratch);
  put(root, 'file', 'edited\n');
  put(root, 'staged', 'staged\n');
  scratch.git(root, 'add', 'staged');
  // What git gives its hooks: `git commit -a` works on an index of its own.
  const seen = join(scratch.dir, 'environment');
  const hook = join(root, '.git/hooks/pre-commit');
  mkdirSync(join(root, '.git/hooks'), { recursive: true });
  writeFileSync(hook, `#!/bin/sh\ncp "$GIT_INDEX_FILE" '${seen}.index'\nenv -0 >'${seen}'\nexit 1\n`, {
    mode: 0o755,
  });
  assert.equal(spawnSync('git', ['commit', '-q', '-am', 'x'], { cwd: root, env: scratch.env }).status, 1);
  const variables = readFileSync(seen, 'utf8')
    .split('\0')
    .filter((each) => each.startsWith('GIT_'));
  const env = Object.fromEntries(
    variables.map((each) => each.split(/=(.*)/s).slice(0, 2) as [string, string]),
  );
  assert.match(env['GIT_INDEX_FILE'] ?? '', /index/);
  const source = createGitWorkspaceSource({
    tempDir: scratch.tempDir,
    userGitDir: join(scratch.home, '.config/git'),
    log: nullLog,
    env: { ...scratch.env, ...env, GIT_INDEX_FILE: `${seen}.index`, GIT_DIR: join(root, '.git') },
  });
  const { guest } = await sendTo({ ...scratch, source }, root);
  assertSameToGit(scratch, root, guest);
  assert.equal(scratch.git(guest, 'status', '--porcelain').toString(), ' M file\nA  staged\n');
  assert.ok(existsSync(`${seen}.index`));
});

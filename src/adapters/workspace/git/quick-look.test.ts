import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { countIndexed, indexStamp, readHeadBranch, readHeadFile } from './quick-look.ts';

/** A repository with one commit, and git in it. */
function repository(): Disposable & { root: string; git: (...args: string[]) => string } {
  const root = mkdtempSync(join(tmpdir(), 'quick-look-'));
  const git = (...args: string[]): string => {
    const identity = ['-c', 'user.name=x', '-c', 'user.email=x@localhost'];
    const ran = spawnSync('git', [...identity, ...args], { cwd: root });
    assert.equal(ran.status, 0, ran.stderr.toString());
    return ran.stdout.toString().trim();
  };
  git('init', '-q', '-b', 'main');
  git('commit', '-q', '--allow-empty', '-m', 'first');
  return { root, git, [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
}

test('readHeadFile() reads a branch and a detached HEAD, and leaves everything else to git', async () => {
  using repo = repository();
  const { root, git } = repo;
  const gitDir = join(root, '.git');
  const look = (): Promise<string | undefined> => readHeadFile({ gitDir, commonDir: gitDir });
  assert.equal(await look(), git('rev-parse', 'HEAD'));
  git('checkout', '-q', '-b', 'deep/er');
  git('commit', '-q', '--allow-empty', '-m', 'second');
  assert.equal(await look(), git('rev-parse', 'HEAD'));
  git('checkout', '-q', '--detach', 'main');
  assert.equal(await look(), git('rev-parse', 'main'));
  git('checkout', '-q', 'main');
  git('pack-refs', '--all');
  assert.equal(await look(), undefined, 'packed');
  git('checkout', '-q', '--orphan', 'unborn');
  assert.equal(await look(), undefined, 'without commits');
  const elsewhere = join(root, 'elsewhere');
  writeFileSync(elsewhere, `${'1'.repeat(40)}\n`);
  writeFileSync(join(gitDir, 'HEAD'), 'ref: refs/heads/../../../elsewhere\n');
  assert.equal(await look(), undefined, 'a name that leaves the folder');
  symlinkSync(elsewhere, join(gitDir, 'refs/heads/link'));
  writeFileSync(join(gitDir, 'HEAD'), 'ref: refs/heads/link\n');
  assert.equal(await look(), undefined, 'a link');
});

test('readHeadBranch() names the branch as git does, also one without commits, and leaves other storage of refs to git', async () => {
  using repo = repository();
  const { root, git } = repo;
  const gitDir = join(root, '.git');
  const look = (): ReturnType<typeof readHeadBranch> => readHeadBranch({ gitDir });
  assert.deepEqual(await look(), { ref: git('symbolic-ref', 'HEAD') });
  git('checkout', '-q', '-b', 'deep/\u00e9');
  assert.deepEqual(await look(), { ref: Buffer.from('refs/heads/deep/\u00e9').toString('latin1') });
  git('checkout', '-q', '--orphan', 'unborn');
  assert.deepEqual(await look(), { ref: 'refs/heads/unborn' });
  git('checkout', '-q', '--detach', 'main');
  assert.deepEqual(await look(), {});
  // gitrepository-layout(5): what HEAD is when refs are in tables.
  writeFileSync(join(gitDir, 'HEAD'), 'ref: refs/heads/.invalid\n');
  assert.equal(await look(), undefined);
  writeFileSync(join(gitDir, 'HEAD'), 'ref: refs/heads/../../elsewhere\n');
  assert.equal(await look(), undefined);
});

test('indexStamp() changes whenever git writes the index', async () => {
  using repo = repository();
  const { root, git } = repo;
  const at = { gitDir: join(root, '.git') };
  assert.equal(await indexStamp({ gitDir: root }), undefined);
  writeFileSync(join(root, 'file'), 'x\n');
  const stamps = new Set<string | undefined>();
  for (const args of [
    ['add', 'file'],
    ['rm', '-q', '--cached', 'file'],
    ['add', 'file'],
  ]) {
    git(...args);
    stamps.add(await indexStamp(at));
    assert.equal(await indexStamp(at), [...stamps].at(-1));
  }
  assert.equal(stamps.size, 3);
});

test('countIndexed() is the number of files in the index, and 0 without one that it may read', async () => {
  using repo = repository();
  const { root, git } = repo;
  const gitDir = join(root, '.git');
  const count = (): Promise<number> => countIndexed({ gitDir });
  for (const name of ['a', 'b', 'c']) writeFileSync(join(root, name), name);
  git('add', '.');
  assert.equal(await count(), 3);
  git('update-index', '--index-version', '4');
  assert.equal(await count(), 3);
  writeFileSync(join(gitDir, 'index'), 'DIRC');
  assert.equal(await count(), 0, 'cut');
  rmSync(join(gitDir, 'index'));
  assert.equal(await count(), 0, 'missing');
  symlinkSync('HEAD', join(gitDir, 'index'));
  assert.equal(await count(), 0, 'a link');
});

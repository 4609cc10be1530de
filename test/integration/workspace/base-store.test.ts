import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { FsWorkDiskBases } from '../../../src/adapters/workspace/base/base-store.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import type { BaseRequest } from '../../../src/core/ports/work-disk-bases.ts';
import { assertCleanImage, copyFromImage, makeImageOf } from '../../helpers/read-image.ts';
import { assertSameToGit, makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { withSubmodules } from '../../helpers/submodules.ts';
import { BUILT_HOST_TOOLS } from '../../support/host-tools.ts';
import { nullLog } from '../../support/null-log.ts';

const signal = neverAborts();
const GIB = 2 ** 30;
const isRoot = process.getuid?.() === 0;

interface Lab extends Disposable {
  scratch: Scratch;
  repo: string;
  basesDir: string;
  bases: FsWorkDiskBases;
  request: BaseRequest;
  make(request?: Partial<BaseRequest>): Promise<void>;
}

function makeLab(): Lab {
  const scratch = makeScratch();
  const repo = scratch.init('repo');
  put(repo, 'src/main.c', 'int main;\n');
  put(repo, 'ignored.o');
  put(repo, '.gitignore', '*.o\n');
  scratch.git(repo, 'add', '.');
  scratch.git(repo, 'commit', '-qm', 'first');
  put(repo, 'src/main.c', 'int main();\n');
  put(repo, 'untracked');
  const tree = join(scratch.dir, 'tree');
  mkdirSync(join(tree, 'root'), { recursive: true });
  writeFileSync(join(tree, 'root/.profile'), 'of the image\n');
  const rootfsPath = join(scratch.dir, 'rootfs.ext4');
  makeImageOf(tree, rootfsPath);
  const basesDir = join(scratch.dir, 'bases');
  const bases = new FsWorkDiskBases({ basesDir, hostTools: BUILT_HOST_TOOLS, log: nullLog });
  const request = {
    ...{ repoRoot: repo, folder: 'repo', content: {}, diskSizeBytes: GIB },
    image: { id: 'sha256:1', name: 'image', rootfsPath },
  };
  return {
    ...{ scratch, repo, basesDir, bases, request },
    make: async (changes = {}) => {
      const wanted = { ...request, ...changes };
      await using packed = await scratch.source.pack(repo, { ...wanted.content, signal });
      await bases.make(wanted, { packed, signal });
      await bases.settled();
    },
    [Symbol.dispose]: () => scratch[Symbol.dispose](),
  };
}

describe('base images of work disks', () => {
  test('has the home of the image and the working tree that was sent, and nothing else', async () => {
    using lab = makeLab();
    const { scratch, repo, bases, request } = lab;
    assert.equal(await bases.use(request, { signal }), undefined);
    await lab.make();
    using base = await bases.use(request, { signal });
    assert.ok(base);
    assertCleanImage(base.file);
    const home = join(scratch.dir, 'home-of-guest');
    copyFromImage(base.file, '/', home);
    assert.deepEqual(readdirSync(home).sort(), ['.profile', 'repo']);
    assert.equal(readFileSync(join(home, '.profile'), 'utf8'), 'of the image\n');
    const guest = join(home, 'repo');
    assert.deepEqual(readdirSync(guest).sort(), ['.git', '.gitignore', 'src']);
    assert.equal(readFileSync(join(guest, 'src/main.c'), 'utf8'), 'int main();\n');
    rmSync(join(repo, 'untracked'));
    assertSameToGit(scratch, repo, guest);
    assert.equal(scratch.git(guest, 'rev-parse', 'refs/banger/sent').toString().trim(), base.sentCommit);
    assert.equal(scratch.git(repo, 'rev-parse', 'HEAD').toString().trim(), base.headCommit);
  });

  test('what it keeps says how the working tree differs from it', async () => {
    using lab = makeLab();
    await lab.make();
    using base = await lab.bases.use(lab.request, { signal });
    assert.ok(base);
    const sentDir = join(lab.scratch.dir, 'sent');
    await base.copySent(sentDir);
    const { source } = lab.scratch;
    const since = { sentCommit: base.sentCommit, signal };
    assert.equal((await source.changeSince(sentDir, since))?.kind, 'none');
    put(lab.repo, 'src/main.c', 'changed\n');
    assert.equal((await source.changeSince(sentDir, since))?.kind, 'files');
  });

  test('the base of a tree is the one that was used last, of the repository that is there now', async () => {
    using lab = makeLab();
    const { bases, repo, scratch } = lab;
    assert.equal(await bases.ofTree(repo), undefined);
    await lab.make();
    await lab.make({ diskSizeBytes: 2 * GIB });
    const [last, other] = await bases.list();
    assert.ok(last && other);
    assert.equal((await bases.ofTree(repo))?.key, last.key);
    utimesSync(join(lab.basesDir, `${last.key}.1`, 'manifest.json'), 1000, 1000);
    const found = await bases.ofTree(join(repo, 'src'));
    assert.equal(found?.key, other.key);
    const { sentDir, sentCommit } = found;
    const kept = await scratch.source.sameAsSent(sentDir, { path: repo, sentCommit, signal });
    assert.equal(kept?.repoRoot, repo);
    assert.equal(await bases.ofTree(`${repo}-too`), undefined);
    renameSync(repo, `${repo}.old`);
    mkdirSync(repo);
    assert.equal(await bases.ofTree(repo), undefined);
  });

  test('a base that another daemon removes while it is used leaves nothing to begin a delta at', async () => {
    using lab = makeLab();
    await lab.make();
    using base = await lab.bases.use(lab.request, { signal });
    assert.ok(base);
    const sentDir = join(lab.scratch.dir, 'sent');
    mkdirSync(sentDir);
    rmSync(join(lab.basesDir, `${base.key}.1`), { recursive: true });
    await base.copySent(sentDir);
    assert.ok(!existsSync(sentDir));
  });

  test('a failure and a killed daemon leave nothing that is used', async () => {
    using lab = makeLab();
    const { bases, request, basesDir, scratch, repo } = lab;
    await using again = await scratch.source.pack(repo, { signal });
    const full = { ...request, diskSizeBytes: 15 * 2 ** 20 };
    await assert.rejects(bases.make(full, { packed: again, signal }), { code: 'WORKSPACE_BASE_FAILED' });
    assert.deepEqual(readdirSync(join(basesDir, '.staging')), []);
    // What a daemon leaves that is killed before the rename, and before the manifest.
    mkdirSync(join(basesDir, '.staging/0123456789abcdef', 'a'.repeat(64)), { recursive: true });
    for (const name of [`${'b'.repeat(64)}.1`, 'b'.repeat(64)]) {
      mkdirSync(join(basesDir, name));
      writeFileSync(join(basesDir, name, 'disk.ext4'), 'half');
    }
    assert.deepEqual(await bases.list(), []);
    await bases.sweep();
    assert.deepEqual(readdirSync(join(basesDir, '.staging')), []);
    assert.deepEqual(foldersIn(basesDir), []);
  });

  test('one that was not durable does not count after a reboot', async () => {
    using lab = makeLab();
    await lab.make();
    const [base] = await lab.bases.list();
    assert.ok(base);
    const manifest = join(lab.basesDir, `${base.key}.1`, 'manifest.json');
    const durable = JSON.parse(readFileSync(manifest, 'utf8'));
    assert.ok(!('bootId' in durable));
    writeFileSync(manifest, JSON.stringify({ ...durable, bootId: 'another boot' }));
    assert.deepEqual(await lab.bases.list(), []);
    assert.equal(await lab.bases.use(lab.request, { signal }), undefined);
  });

  test('an older number, which a killed daemon left, is not used and is removed', async () => {
    using lab = makeLab();
    await lab.make();
    const [name = ''] = foldersIn(lab.basesDir);
    const older = join(lab.basesDir, name.replace(/\.1$/, '.2'));
    cpSync(join(lab.basesDir, name), older, { recursive: true });
    put(lab.repo, 'src/main.c', 'newest\n');
    await lab.make();
    const newest = name.replace(/\.1$/, '.3');
    assert.deepEqual(foldersIn(lab.basesDir), [newest]);
    cpSync(join(lab.basesDir, newest), older, { recursive: true });
    using base = await lab.bases.use(lab.request, { signal });
    assert.equal(base?.file, join(lab.basesDir, newest, 'disk.ext4'));
    assert.equal((await lab.bases.list()).length, 1);
    await lab.bases.sweep();
    assert.deepEqual(foldersIn(lab.basesDir), [newest]);
  });

  test('a base that appears while others are swept stays', async () => {
    using lab = makeLab();
    const sweeping = (async (): Promise<void> => {
      for (let count = 0; count < 50; count += 1) await lab.bases.sweep();
    })();
    for (let count = 0; count < 3; count += 1) {
      await lab.make();
      using base = await lab.bases.use(lab.request, { signal });
      assert.ok(base && existsSync(base.file));
    }
    await sweeping;
    assert.equal((await lab.bases.list()).length, 1);
  });

  test('nothing in a folder of the store that others may enter is used, and none is made there', async () => {
    using lab = makeLab();
    await lab.make();
    chmodSync(lab.basesDir, 0o755);
    assert.equal(await lab.bases.use(lab.request, { signal }), undefined);
    await assert.rejects(lab.make(), { code: 'DIR_NOT_PRIVATE' });
    chmodSync(lab.basesDir, 0o700);
    (await lab.bases.use(lab.request, { signal }))?.[Symbol.dispose]();
  });

  test('another user can neither read a base nor have theirs used', {
    skip: isRoot ? false : 'only root can be two users',
  }, async () => {
    using lab = makeLab();
    await lab.make();
    using base = await lab.bases.use(lab.request, { signal });
    assert.ok(base);
    // The folders above are open, as a shared cache would be.
    chmodSync(lab.scratch.dir, 0o755);
    const other = { uid: 65_534, gid: 65_534 };
    const reads = (path: string): boolean => spawnSync('cat', [path], { cwd: '/', ...other }).status === 0;
    put(lab.scratch.dir, 'open');
    assert.equal(reads(join(lab.scratch.dir, 'open')), true, 'the check works');
    for (const path of filesBelow(dirname(base.file))) assert.equal(reads(path), false, path);
    chownSync(lab.basesDir, other.uid, other.gid);
    assert.equal(await lab.bases.use(lab.request, { signal }), undefined);
    await assert.rejects(lab.make(), { code: 'DIR_NOT_PRIVATE' });
    chownSync(lab.basesDir, 0, 0);
  });

  test('has nothing that the user did not send: no untracked or ignored file, no credentials, no program', async () => {
    using lab = makeLab();
    const { scratch, repo } = lab;
    const { root } = withSubmodules(scratch, 'super');
    const secrets = plantSecrets(lab, repo);
    const inSubmodule = plantSecrets(lab, join(root, 'lib'), 'sub');
    const small = { diskSizeBytes: 64 * 2 ** 20 };
    for (const [repoRoot, planted] of [
      [repo, secrets],
      [root, inSubmodule],
    ] as const) {
      const request = { ...lab.request, ...small, repoRoot };
      await using packed = await scratch.source.pack(repoRoot, { signal });
      await lab.bases.make(request, { packed, signal });
      using base = await lab.bases.use(request, { signal });
      assert.ok(base);
      const bytes = filesBelow(dirname(base.file)).map((path) => readFileSync(path));
      assert.ok(bytes.some((content) => content.includes('int main') || content.includes('code')));
      for (const secret of planted) {
        assert.ok(!bytes.some((content) => content.includes(secret)), secret);
      }
      const guest = join(scratch.dir, 'out');
      copyFromImage(base.file, '/repo', guest);
      const at = repoRoot === repo ? guest : join(guest, 'lib');
      const objects = scratch.git(at, 'cat-file', '--batch-all-objects', '--batch').toString('latin1');
      for (const secret of planted) assert.ok(!objects.includes(secret), `${secret}, in an object`);
    }
  });
});

function foldersIn(basesDir: string): string[] {
  return readdirSync(basesDir).filter((name) => !name.startsWith('.'));
}

function filesBelow(dir: string): string[] {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Puts secrets where a working tree has some, outside of what is tracked; returns them. */
function plantSecrets({ scratch }: Lab, root: string, name = 'top'): string[] {
  const secrets: string[] = [];
  const secret = (where: string): string => {
    const text = `S3CRET-${name}-${where}`;
    secrets.push(text);
    return text;
  };
  const git = (...args: string[]): string =>
    scratch
      .git(root, ...args)
      .toString()
      .trim();
  const gitDir = git('rev-parse', '--absolute-git-dir');
  put(root, 'untracked', `${secret('untracked')}\n`);
  writeFileSync(join(gitDir, 'info/exclude'), 'excluded\n');
  put(root, 'excluded', `${secret('ignored')}\n`);
  git('remote', 'add', 'private', `https://user:${secret('password')}@localhost/repo`);
  git('config', 'http.https://localhost/.extraHeader', `Authorization: ${secret('header')}`);
  git('config', 'credential.helper', `!echo ${secret('helper')}`);
  git('config', `url.https://${secret('rewrite')}@localhost/.insteadOf`, 'https://localhost/');
  writeFileSync(
    join(gitDir, 'FETCH_HEAD'),
    `${git('rev-parse', 'HEAD')}\t\thttps://${secret('fetched')}@localhost\n`,
  );
  mkdirSync(join(gitDir, 'hooks'), { recursive: true });
  writeFileSync(join(gitDir, 'hooks/pre-commit'), `#!/bin/sh\n# ${secret('hook')}\n`, { mode: 0o755 });
  put(scratch.dir, `dangling-${name}`, `${secret('dangling')}\n`);
  git('hash-object', '-w', join(scratch.dir, `dangling-${name}`));
  return secrets;
}

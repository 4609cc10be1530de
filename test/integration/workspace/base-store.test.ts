import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { FsWorkDiskBases } from '../../../src/adapters/workspace/base/base-store.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import type { BaseRequest } from '../../../src/core/ports/work-disk-bases.ts';
import { assertCleanImage, copyFromImage, makeImageOf } from '../../helpers/read-image.ts';
import { assertSameToGit, makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { BUILT_HOST_TOOLS } from '../../support/host-tools.ts';
import { nullLog } from '../../support/null-log.ts';

const signal = neverAborts();
const GIB = 2 ** 30;

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
    utimesSync(join(lab.basesDir, last.key, 'manifest.json'), 1000, 1000);
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
    rmSync(join(lab.basesDir, base.key), { recursive: true });
    await base.copySent(sentDir);
    assert.ok(!existsSync(sentDir));
  });

  test('only its user can read it', async () => {
    using lab = makeLab();
    await lab.make();
    using base = await lab.bases.use(lab.request, { signal });
    assert.ok(base);
    const mode = (path: string): number => statSync(path).mode & 0o777;
    const folder = join(lab.basesDir, base.key);
    assert.deepEqual([mode(lab.basesDir), mode(folder), mode(base.file)], [0o700, 0o700, 0o400]);
  });

  test('another repository at the same path, image, size or choice needs another base', async () => {
    using lab = makeLab();
    await lab.make();
    const others: Partial<BaseRequest>[] = [
      { diskSizeBytes: 2 * GIB },
      { content: { includeUntracked: true } },
      { content: { mode: 'full_copy' } },
      { content: { noSubmodules: true } },
      { image: { ...lab.request.image, id: 'sha256:2' } },
    ];
    for (const changes of others) {
      assert.equal(await lab.bases.use({ ...lab.request, ...changes }, { signal }), undefined);
    }
    // The old folder still exists, so the new one is another.
    lab.scratch.git(lab.scratch.dir, 'clone', '-q', lab.repo, 'clone');
    renameSync(lab.repo, `${lab.repo}.old`);
    renameSync(join(lab.scratch.dir, 'clone'), lab.repo);
    assert.equal(await lab.bases.use(lab.request, { signal }), undefined);
    assert.equal((await lab.bases.prune({ maxBytes: GIB })).length, 1);
  });

  test('an abort, a failure and a killed daemon leave nothing that is used', async () => {
    using lab = makeLab();
    const { bases, request, basesDir, scratch, repo } = lab;
    await using packed = await scratch.source.pack(repo, { signal });
    const stop = new AbortController();
    const making = bases.make(request, { packed, signal: stop.signal });
    stop.abort(new Error('stop'));
    await assert.rejects(making);
    await using again = await scratch.source.pack(repo, { signal });
    const full = { ...request, diskSizeBytes: 15 * 2 ** 20 };
    await assert.rejects(bases.make(full, { packed: again, signal }), { code: 'WORKSPACE_BASE_FAILED' });
    assert.deepEqual(readdirSync(join(basesDir, '.staging')), []);
    // What a daemon leaves that is killed before the rename, and before the manifest.
    mkdirSync(join(basesDir, '.staging/0123456789abcdef', 'a'.repeat(64)), { recursive: true });
    mkdirSync(join(basesDir, 'b'.repeat(64)));
    writeFileSync(join(basesDir, 'b'.repeat(64), 'disk.ext4'), 'half');
    assert.deepEqual(await bases.list(), []);
    await bases.sweep();
    assert.deepEqual(readdirSync(join(basesDir, '.staging')), []);
    assert.deepEqual(await bases.prune({ maxBytes: GIB }), []);
    assert.ok(!existsSync(join(basesDir, 'b'.repeat(64))));
  });

  test('one that was not durable does not count after a reboot', async () => {
    using lab = makeLab();
    await lab.make();
    const [base] = await lab.bases.list();
    assert.ok(base);
    const manifest = join(lab.basesDir, base.key, 'manifest.json');
    const durable = JSON.parse(readFileSync(manifest, 'utf8'));
    assert.ok(!('bootId' in durable));
    writeFileSync(manifest, JSON.stringify({ ...durable, bootId: 'another boot' }));
    assert.deepEqual(await lab.bases.list(), []);
    assert.equal(await lab.bases.use(lab.request, { signal }), undefined);
  });

  test('pruning removes the least recently used, none in use, and those whose repository is gone', async () => {
    using lab = makeLab();
    const { bases, request } = lab;
    await lab.make();
    const larger = { diskSizeBytes: 2 * GIB };
    await lab.make(larger);
    const all = await bases.list();
    assert.equal(all.length, 2);
    const old = all.find(({ diskSizeBytes }) => diskSizeBytes === GIB);
    assert.ok(old);
    utimesSync(join(lab.basesDir, old.key, 'manifest.json'), 1000, 1000);
    const maxBytes = Math.max(...all.map(({ diskBytes }) => diskBytes));
    assert.deepEqual(
      (await bases.prune({ maxBytes, isDryRun: true })).map(({ key }) => key),
      [old.key],
    );
    assert.equal((await bases.list()).length, 2);
    assert.deepEqual(
      (await bases.prune({ maxBytes })).map(({ key }) => key),
      [old.key],
    );
    {
      using held = await bases.use({ ...request, ...larger }, { signal });
      assert.ok(held);
      assert.deepEqual(await bases.prune({ maxBytes: 0 }), []);
    }
    rmSync(lab.repo, { recursive: true });
    assert.equal((await bases.prune({ maxBytes: GIB })).length, 1);
    assert.deepEqual(await bases.list(), []);
  });

  test('a second base of a repository takes the place of the first', async () => {
    using lab = makeLab();
    await lab.make();
    const first = await lab.bases.list();
    put(lab.repo, 'src/main.c', 'second\n');
    await lab.make();
    using base = await lab.bases.use(lab.request, { signal });
    assert.ok(base);
    assert.deepEqual([base.key, (await lab.bases.list()).length], [first[0]?.key, 1]);
    const guest = join(lab.scratch.dir, 'second');
    copyFromImage(base.file, '/repo', guest);
    assert.equal(readFileSync(join(guest, 'src/main.c'), 'utf8'), 'second\n');
  });
});

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { readKept } from '../../../src/adapters/workspace/sent/kept-tree.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import type { BaseRequest, UsableBase, WorkDiskBases } from '../../../src/core/ports/work-disk-bases.ts';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';

const signal = neverAborts();
const MIB = 2 ** 20;

/** An empty store in `dir`, and an image whose home comes first. */
export interface BasesBench {
  bases: WorkDiskBases;
  image: BaseRequest['image'];
  basesDir: string;
  /** Waits until background work has ended. */
  settled?: () => Promise<void>;
}

/** The suite that every store of base images passes. */
export function describeWorkDiskBases(kind: string, open: (dir: string) => Promise<BasesBench>): void {
  describe(`the ${kind} store of base images`, () => {
    let scratch: Scratch;
    let bench: BasesBench;
    let repo: string;
    let request: BaseRequest;

    beforeEach(async () => {
      scratch = makeScratch();
      repo = scratch.init('repo');
      put(repo, 'file', 'the first content\n');
      scratch.git(repo, 'add', '.');
      scratch.git(repo, 'commit', '-qm', 'first');
      bench = await open(scratch.dir);
      const { image } = bench;
      request = { repoRoot: repo, folder: 'repo', content: {}, diskSizeBytes: 64 * MIB, image };
    });
    afterEach(async () => {
      await bench.settled?.();
      scratch[Symbol.dispose]();
    });

    async function make(changes: Partial<BaseRequest> = {}): Promise<void> {
      const wanted = { ...request, ...changes };
      await using packed = await scratch.source.pack(repo, { ...wanted.content, signal });
      await bench.bases.make(wanted, { packed, signal });
    }

    async function used(changes: Partial<BaseRequest> = {}): Promise<UsableBase> {
      const base = await bench.bases.use({ ...request, ...changes }, { signal });
      return base ?? assert.fail('there is a base');
    }

    test('has none at first, and then the one that was made, of the size that was asked for', async () => {
      assert.equal(await bench.bases.use(request, { signal }), undefined);
      assert.deepEqual(await bench.bases.list(), []);
      await make();
      using base = await used();
      assert.equal(statSync(base.file).size, request.diskSizeBytes);
      assert.equal(scratch.git(repo, 'rev-parse', 'HEAD').toString().trim(), base.headCommit);
      const [listed] = await bench.bases.list();
      const { key, repoRoot, imageName, diskSizeBytes } = base;
      assert.deepEqual({ ...listed, key, repoRoot, imageName, diskSizeBytes }, listed);
      assert.deepEqual([repoRoot, imageName, diskSizeBytes], [repo, bench.image.name, 64 * MIB]);
    });

    test('opens its bases to their user only', async () => {
      await make();
      using base = await used();
      assert.equal(statSync(base.file).mode & 0o777, 0o400);
      for (let dir = dirname(base.file); dir !== dirname(bench.basesDir); dir = dirname(dir)) {
        assert.equal(statSync(dir).mode & 0o777, 0o700, dir);
      }
    });

    test('has another base for another repository at the path, image, size or choice', async () => {
      await make();
      const others: Partial<BaseRequest>[] = [
        { diskSizeBytes: 128 * MIB },
        { folder: 'other' },
        { content: { includeUntracked: true } },
        { content: { mode: 'full_copy' } },
        { content: { noSubmodules: true } },
        { image: { ...bench.image, id: 'sha256:2' } },
      ];
      for (const changes of others) {
        assert.equal(await bench.bases.use({ ...request, ...changes }, { signal }), undefined);
      }
      renameSync(repo, `${repo}.old`);
      assert.equal(await bench.bases.use(request, { signal }), undefined);
      mkdirSync(repo);
      assert.equal(await bench.bases.use(request, { signal }), undefined);
      await assert.rejects(
        (async () => {
          await using packed = await scratch.source.pack(`${repo}.old`, { signal });
          await bench.bases.make({ ...request, repoRoot: join(repo, 'gone') }, { packed, signal });
        })(),
        { code: 'WORKSPACE_BASE_FAILED' },
      );
    });

    test('finds nothing of a base whose making was aborted, or whose stream failed', async () => {
      await using packed = await scratch.source.pack(repo, { signal });
      const stop = new AbortController();
      const making = bench.bases.make(request, { packed, signal: stop.signal });
      stop.abort(new Error('stop'));
      await assert.rejects(making);
      const lost = new AppError('WORKSPACE_READ_FAILED', 'Cannot read the file');
      async function* breaking(): AsyncGenerator<Buffer> {
        yield Buffer.alloc(512);
        throw lost;
      }
      await using again = await scratch.source.pack(repo, { signal });
      const broken = { ...again, tar: Readable.from(breaking()), done: Promise.resolve() };
      await assert.rejects(bench.bases.make(request, { packed: broken, signal }), lost);
      assert.equal(await bench.bases.use(request, { signal }), undefined);
      assert.deepEqual(await bench.bases.list(), []);
      await make();
      (await used())[Symbol.dispose]();
    });

    test('keeps a base in use together with its tree when it is made again, and uses the new one', async () => {
      await make();
      using first = await used();
      put(repo, 'file', 'the second content\n');
      await make();
      using second = await used();
      assert.notEqual(second.file, first.file);
      for (const [base, text] of [
        [first, 'the first content'],
        [second, 'the second content'],
      ] as const) {
        assert.ok(readFileSync(base.file).includes(text), text);
        const sent = join(scratch.dir, text);
        await base.copySent(sent);
        assert.equal((await readKept(sent))?.commit, base.sentCommit);
      }
      assert.ok(!readFileSync(second.file).includes('the first content'));
      assert.equal((await bench.bases.list()).length, 1);
      await bench.bases.sweep();
      await bench.bases.prune({ maxBytes: 0, isDryRun: false });
      assert.ok(existsSync(first.file) && existsSync(second.file), 'both are in use');
      first[Symbol.dispose]();
      await bench.settled?.();
      await bench.bases.sweep();
      assert.deepEqual([existsSync(first.file), existsSync(second.file)], [false, true]);
    });

    test('finds one of two that are made at once', async () => {
      const all = await Promise.allSettled([make(), make(), make()]);
      assert.deepEqual(
        all.map(({ status }) => status),
        ['fulfilled', 'fulfilled', 'fulfilled'],
      );
      using base = await used();
      assert.ok(readFileSync(base.file).includes('the first content'));
      assert.equal((await bench.bases.list()).length, 1);
    });

    test('copies what the next delta needs into a folder that exists, and creates none', async () => {
      await make();
      using base = await used();
      const vm = join(scratch.dir, 'deleted vm');
      await assert.rejects(base.copySent(join(vm, 'sent')), { code: 'ENOENT' });
      assert.equal(existsSync(vm), false);
      mkdirSync(join(scratch.dir, 'vm/sent'), { recursive: true });
      put(join(scratch.dir, 'vm/sent'), 'old');
      await base.copySent(join(scratch.dir, 'vm/sent'));
      assert.equal(existsSync(join(scratch.dir, 'vm/sent/old')), false);
      assert.equal((await readKept(join(scratch.dir, 'vm/sent')))?.commit, base.sentCommit);
    });

    test('prunes the least recently used, none in use, and those whose repository is gone', async () => {
      const { bases } = bench;
      const larger = { diskSizeBytes: 128 * MIB };
      await make();
      await make(larger);
      (await used(larger))[Symbol.dispose]();
      const all = await bases.list();
      assert.deepEqual(
        all.map(({ diskSizeBytes }) => diskSizeBytes),
        [128 * MIB, 64 * MIB],
      );
      const maxBytes = Math.max(...all.map(({ diskBytes }) => diskBytes));
      const pruned = async (isDryRun: boolean): Promise<number[]> =>
        (await bases.prune({ maxBytes, isDryRun })).map(({ diskSizeBytes }) => diskSizeBytes);
      assert.deepEqual(await pruned(true), [64 * MIB]);
      assert.equal((await bases.list()).length, 2);
      assert.deepEqual(await pruned(false), [64 * MIB]);
      {
        using _held = await used(larger);
        assert.deepEqual(await bases.prune({ maxBytes: 0 }), []);
      }
      rmSync(repo, { recursive: true });
      assert.equal((await bases.prune({ maxBytes: 1024 * MIB })).length, 1);
      assert.deepEqual(await bases.list(), []);
    });

    test('does not make a base that does not fit', async () => {
      put(repo, 'large');
      truncateSync(join(repo, 'large'), 16 * MIB);
      scratch.git(repo, 'add', '.');
      await assert.rejects(make({ diskSizeBytes: 16 * MIB }), { code: 'WORKSPACE_BASE_FAILED' });
      assert.deepEqual(await bench.bases.list(), []);
    });

    test('does nothing once it is aborted', async () => {
      await make();
      const aborted = { signal: AbortSignal.abort(new Error('stop')) };
      await assert.rejects(bench.bases.use(request, aborted), /stop/);
      await using packed = await scratch.source.pack(repo, { signal });
      await assert.rejects(bench.bases.make(request, { packed, ...aborted }));
      assert.equal((await bench.bases.prune({ maxBytes: 0 })).length, 1, 'nothing holds it');
    });
  });
}

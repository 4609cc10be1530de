import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { isAppError } from '../../../src/base/errors.ts';
import type { BlobStore } from '../../../src/core/ports/images/blob-store.ts';
import type { ImageOrigin } from '../../../src/core/ports/images/image-origin.ts';
import type { ImageContent, ImageSource } from '../../../src/core/ports/images/image-source.ts';

/** A source, what it can fetch and what it cannot. */
export interface SourceBench {
  source: ImageSource<ImageOrigin, ImageContent>;
  origin: ImageOrigin;
  /** something that is not there, and the code of the error */
  missing: { origin: ImageOrigin; code: string };
  /** where layers go */
  blobs: BlobStore;
}

/** The suite that every source of images passes. */
export function describeImageSource(kind: string, open: (dir: string) => Promise<SourceBench>): void {
  describe(`${kind} as a source of images`, () => {
    let dir: string;
    let bench: SourceBench;

    beforeEach(async () => {
      dir = await mkdtemp(join(tmpdir(), 'src-'));
      bench = await open(dir);
    });
    afterEach(() => rm(dir, { recursive: true, force: true }));

    const fetch = async (
      origin: ImageOrigin,
      {
        signal = AbortSignal.timeout(60_000),
        report = () => {},
      }: Partial<Parameters<typeof bench.source.fetch>[1]> = {},
    ): Promise<{ content: ImageContent; left: string[] }> => {
      const workDir = join(dir, 'work');
      await rm(workDir, { recursive: true, force: true });
      await mkdir(workDir);
      try {
        const content = await bench.source.fetch(origin, {
          workDir,
          name: 'one',
          arch: 'amd64',
          report,
          signal,
        });
        return { content, left: await readdir(workDir) };
      } catch (error) {
        assert.deepEqual(await readdir(workDir), [], 'a failure leaves nothing');
        throw error;
      }
    };

    test('fetches content that is then on this host, the same each time', async () => {
      const steps: string[] = [];
      const { content } = await fetch(bench.origin, { report: ({ event }) => void steps.push(event) });
      const there = await bench.blobs.list();
      if (content.kind === 'layers') {
        assert.ok(content.blobs.includes(content.manifestDigest));
        assert.equal(new Set(content.blobs).size, content.blobs.length);
        for (const digest of content.blobs) assert.ok(there.has(digest), digest);
      }
      assert.deepEqual((await fetch(bench.origin)).content, content);
      assert.deepEqual([...(await bench.blobs.list()).keys()].sort(), [...there.keys()].sort());
    });

    test('names what is missing, and leaves nothing', async () => {
      await assert.rejects(fetch(bench.missing.origin), (error) => isAppError(error, bench.missing.code));
      assert.equal((await bench.blobs.list()).size, 0);
    });

    test('fetches nothing once its signal has aborted', async () => {
      const reason = new Error('enough');
      const aborted = AbortSignal.abort(reason);
      await assert.rejects(fetch(bench.origin, { signal: aborted }), (error) => error === reason);
      assert.equal((await bench.blobs.list()).size, 0);
    });
  });
}

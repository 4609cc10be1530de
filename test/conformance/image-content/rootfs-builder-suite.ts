import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { isAppError } from '../../../src/base/errors.ts';
import type { ImageContent } from '../../../src/core/ports/images/image-source.ts';
import type { RootfsBuilder } from '../../../src/core/ports/images/rootfs-builder.ts';

/** A builder, content for it, and content that it cannot build. */
export interface BuilderBench<Content extends ImageContent> {
  builder: RootfsBuilder<Content>;
  content: Content;
  damaged: { content: Content; codes: readonly string[] };
  /** fails the test when the file is not the root file system of `content` */
  check(rootfsPath: string): Promise<void>;
}

/** The suite that every builder of root file systems passes. */
export function describeRootfsBuilder<Content extends ImageContent>(
  kind: string,
  open: (dir: string) => Promise<BuilderBench<Content>>,
): void {
  describe(`${kind} as a builder of root file systems`, () => {
    let dir: string;
    let bench: BuilderBench<Content>;

    beforeEach(async () => {
      dir = await mkdtemp(join(tmpdir(), 'rb-'));
      bench = await open(dir);
    });
    afterEach(() => rm(dir, { recursive: true, force: true }));

    const build = async (name: string, content = bench.content, signal = AbortSignal.timeout(60_000)) => {
      const rootfsPath = join(dir, name);
      await bench.builder.build(content, { rootfsPath, report: () => {}, signal });
      return rootfsPath;
    };

    test('writes the content to the file and nothing beside it', async () => {
      const before = (await readdir(dir)).sort();
      const path = await build('rootfs.ext4');
      assert.deepEqual((await readdir(dir)).sort(), [...before, 'rootfs.ext4'].sort());
      assert.equal((await stat(path)).size % 4096, 0, 'whole blocks, as drives need');
      await bench.check(path);
    });

    test('says what it cannot build', async () => {
      const { content, codes } = bench.damaged;
      await assert.rejects(build('rootfs.ext4', content), (error) => isAppError(error, ...codes));
    });

    test('builds nothing once its signal has aborted', async () => {
      const reason = new Error('enough');
      const begun = build('rootfs.ext4', bench.content, AbortSignal.abort(reason));
      await assert.rejects(begun, (error) => error === reason);
      const left = await stat(join(dir, 'rootfs.ext4')).catch(() => undefined);
      assert.ok(left === undefined || left.size === 0);
    });
  });
}

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemPath } from '../../src/base/process/programs.ts';
import { BUILT_HOST_TOOLS } from '../support/host-tools.ts';

const env = { PATH: systemPath(process.env), DEBUGFS_PAGER: '__none__' };

/** Copies a folder of an ext4 image to the new folder `to`, with modes and owners. */
export function copyFromImage(image: string, folder: string, to: string): void {
  const parent = mkdtempSync(join(tmpdir(), 'image-'));
  const ran = spawnSync('debugfs', ['-R', `rdump ${folder} ${parent}`, image], { env });
  assert.equal(ran.status, 0, ran.stderr.toString());
  rmSync(to, { recursive: true, force: true });
  const copied = resolve(parent, folder.slice(folder.lastIndexOf('/') + 1));
  renameSync(copied, to);
  if (copied !== parent) rmdirSync(parent);
}

/** Makes a small ext4 image with the folder `tree` in it, without privileges. */
export function makeImageOf(tree: string, image: string): void {
  const ran = spawnSync('mkfs.ext4', ['-q', '-d', tree, image, '32M'], { env });
  assert.equal(ran.status, 0, ran.stderr.toString());
}

/** Fails when `e2fsck` finds anything wrong with an image. */
export function assertCleanImage(image: string): void {
  const ran = spawnSync('e2fsck', ['-fn', image], { env });
  assert.equal(ran.status, 0, ran.stdout.toString());
}

/** Puts an archive into an image, as a base image of a work disk is made, and copies it out to `folder`. */
export async function unpackThroughImage(archive: AsyncIterable<Buffer>, folder: string): Promise<void> {
  const image = `${folder}.ext4`;
  const size = ['--size', String(2 * 2 ** 30), '--uuid', '0'.repeat(32)];
  const made = spawn(BUILT_HOST_TOOLS, ['ext4', ...size, '--at', 'repo', image], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const ended = once(made, 'close');
  made.stdin.on('error', () => {});
  for await (const chunk of archive) {
    if (!made.stdin.write(chunk)) {
      await Promise.race([new Promise((resolve) => made.stdin.once('drain', resolve)), ended]);
    }
  }
  made.stdin.end();
  assert.deepEqual(await ended, [0, null]);
  assertCleanImage(image);
  copyFromImage(image, '/repo', folder);
  rmSync(image);
}

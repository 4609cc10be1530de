import { createCipheriv } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../src/base/abort.ts';
import { exec } from '../src/base/process/exec.ts';

const FILE_BYTES = 3e6;
const FILES_IN_FOLDER = 50;

/**
 * Writes an OCI archive of an image with `bytes` of files, a third of which hardly compress, as programs and
 * libraries do. It has the same content each time. Uses `dir` meanwhile.
 */
export async function makeLargeImage(
  archive: string,
  { bytes, hostTools, dir, signal }: Abortable & { bytes: number; hostTools: string; dir: string },
): Promise<void> {
  const [tree, store] = [join(dir, 'large-tree'), join(dir, 'large-store')];
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  for (let number = 0; number * FILE_BYTES < bytes; number += 1) {
    signal.throwIfAborted();
    const folder = join(tree, String(Math.floor(number / FILES_IN_FOLDER)));
    await mkdir(folder, { recursive: true });
    const noise = cipher.update(Buffer.alloc(FILE_BYTES / 3));
    await using file = await open(join(folder, String(number)), 'w');
    await file.write(noise);
    await file.write(Buffer.alloc((2 * FILE_BYTES) / 3, `line of the file ${number}\n`));
  }
  const tar = join(dir, 'large-tree.tar.gz');
  await exec(['tar', '--owner=0', '--group=0', '-C', tree, '-czf', tar, '.'], { signal });
  await rm(tree, { recursive: true });
  const imported = await exec([hostTools, 'oci', 'import', '--store', store, '--from', `rootfs:${tar}`], {
    signal,
  });
  await rm(tar);
  const { manifestDigest } = JSON.parse(imported.stdout.toString().trim().split('\n').at(-1) ?? '{}')
    .image as {
    manifestDigest: string;
  };
  await exec([hostTools, 'oci', 'export', '--store', store, '--manifest', manifestDigest, '--out', archive], {
    signal,
  });
  await rm(store, { recursive: true });
}

import { existsSync } from 'node:fs';
import { copyFile, link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readImage, resolveName } from '../../src/adapters/image/store/image-files.ts';
import { blobLink, hexOf, imageLayout } from '../../src/adapters/image/store/layout.ts';
import type { Abortable } from '../../src/base/abort.ts';
import { isErrno } from '../../src/base/errors.ts';
import { exec } from '../../src/base/process/exec.ts';
import { processEnvironment, resolvePaths } from '../../src/config/settings.ts';
import type { StoredKernel } from '../../src/core/ports/images/kernels.ts';
import { buildTestGuest } from '../conformance/vm-driver/test-guest.ts';
import { makeExt4 } from '../e2e/support/small-image.ts';

/** The parts of a checkout that its programs and its driver suite need; what is built must be built. */
const CHECKOUT = [
  'bin',
  'dist',
  'src',
  'test',
  'scripts',
  'agent/bin',
  'host/bin',
  'root/bin',
  'package.json',
] as const;
/** Tools for developers, which take most of the space. */
const LEFT_OUT = ['@biomejs', '@typescript', 'typescript', '@esbuild', 'esbuild'];
const IMAGE = 'debian-bookworm';
/** Space for the drives, saved guests and templates of a dozen small VMs. */
const FREE_BYTES = 6 * 2 ** 30;
const CONTENT_BYTES = 2 * 2 ** 30;

/** The place of the drive's content once the host has mounted it at /root. */
export const ON_HOST = { checkout: '/root/banger', testGuest: '/root/testguest' } as const;

/**
 * Makes the work disk of the host: this checkout, the default image and its kernel, and the driver suite's
 * test guest. It is made outside the host, because unpacking a gigabyte takes minutes under emulation.
 */
export async function makeHostDrive(
  path: string,
  {
    root,
    kernel,
    scratchDir,
    signal,
  }: Abortable & { root: string; kernel: StoredKernel; scratchDir: string },
): Promise<void> {
  const tree = join(scratchDir, 'home');
  await mkdir(join(tree, 'banger'), { recursive: true });
  for (const name of CHECKOUT) {
    if (existsSync(join(root, name)))
      await linkTree(join(root, name), join(tree, 'banger', name), { signal });
  }
  await linkTree(join(root, 'node_modules'), join(tree, 'banger', 'node_modules'), { signal });
  const left = LEFT_OUT.map((name) => join(tree, 'banger', 'node_modules', name));
  await exec(['rm', '-rf', '--', ...left], { signal });
  await linkStores(join(tree, '.local', 'share', 'banger'), { kernel, signal });
  await buildTestGuest(tree, { signal });
  await writeFile(join(tree, '.hushlogin'), '');
  await makeExt4(path, { sizeBytes: CONTENT_BYTES + FREE_BYTES, treeDir: tree, signal });
}

async function linkStores(
  dataDir: string,
  { kernel, signal }: Abortable & { kernel: StoredKernel },
): Promise<void> {
  const { imagesDir, kernelsDir } = resolvePaths(processEnvironment());
  const id = await resolveName(imagesDir, IMAGE);
  const stored = id && (await readImage(join(imagesDir, blobLink(id)), IMAGE));
  if (!id || !stored) throw new Error(`no image "${IMAGE}" is in the store`);
  const from = imageLayout(join(imagesDir, blobLink(id)));
  const to = imageLayout(join(dataDir, 'images', '.blobs', hexOf(id)));
  await mkdir(to.holders, { recursive: true });
  await linkFile(from.rootfs, to.rootfs);
  await linkFile(from.manifest, to.manifest);
  await symlink(blobLink(id), join(dataDir, 'images', IMAGE));
  await linkTree(join(kernelsDir, kernel.name), join(dataDir, 'kernels', kernel.name), { signal });
}

/** Hard links where both are on one file system. */
async function linkTree(from: string, to: string, { signal }: Abortable): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const { code } = await exec(['cp', '-a', '--link', '--', from, to], { signal, okCodes: [0, 1] });
  if (code === 0) return;
  await exec(['rm', '-rf', '--', to], { signal });
  await exec(['cp', '-a', '--sparse=always', '--', from, to], { signal });
}

async function linkFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!isErrno(error, 'EXDEV', 'EPERM')) throw error;
    await copyFile(from, to);
  }
}

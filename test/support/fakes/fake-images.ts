import { existsSync } from 'node:fs';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../../src/base/errors.ts';
import type { ImageStore, KernelStore, StoredImage, StoredKernel } from '../../../src/core/ports/images.ts';

/** Stores with one image and its kernel, whose files no VMM ever reads. */
export interface FakeStores {
  images: ImageStore;
  kernels: KernelStore;
}

/** Name of the one image. */
export const FAKE_IMAGE = 'debian-bookworm';

/** Its id. */
export const FAKE_IMAGE_ID = `sha256:${'fa'.repeat(32)}`;

const KERNEL_NAME = 'fake-kernel';
const ROOTFS_BYTES = 64 * 2 ** 20;
const CREATED_AT = '2026-01-01T00:00:00.000Z';

/** Makes the files in `dir`. With `isBuilt: false` the image exists only after a build. */
export async function makeFakeStores(dir: string, { isBuilt = true } = {}): Promise<FakeStores> {
  await mkdir(dir, { recursive: true });
  const image: StoredImage = {
    name: FAKE_IMAGE,
    id: FAKE_IMAGE_ID,
    arch: 'amd64',
    distro: 'debian',
    kernelName: KERNEL_NAME,
    rootfsPath: join(dir, 'rootfs.ext4'),
    sizeBytes: ROOTFS_BYTES,
    diskBytes: 0,
    createdAt: CREATED_AT,
  };
  const kernel: StoredKernel = {
    name: KERNEL_NAME,
    release: '6.1.0',
    arch: 'amd64',
    kernelPath: join(dir, 'vmlinuz'),
    modulesPath: join(dir, 'modules.ext4'),
    initrdPath: join(dir, 'initrd'),
    initrdSha256: '0'.repeat(64),
    diskBytes: 0,
    createdAt: CREATED_AT,
  };
  await sparseFile(image.rootfsPath, ROOTFS_BYTES);
  await sparseFile(kernel.modulesPath, 2 ** 20);
  for (const path of [kernel.kernelPath, kernel.initrdPath]) await writeFile(path, 'fake');
  return { images: imageStore(image, isBuilt), kernels: kernelStore(kernel) };
}

function imageStore(image: StoredImage, isBuilt: boolean): ImageStore {
  let isThere = isBuilt;
  const notFound = (what: string): AppError =>
    new AppError('IMAGE_NOT_FOUND', `Cannot find the image "${what}"`, {
      hint: `build it: banger image build ${image.name}`,
    });
  const holders = new Set<string>();
  const isHeld = (): boolean => [...holders].some((dir) => existsSync(dir));
  const byId = async (id: string): Promise<StoredImage> => {
    if (id === image.id && (isThere || isHeld())) return image;
    throw notFound(id);
  };
  const byName = async (name: string): Promise<StoredImage> => {
    if (name === image.name && isThere) return image;
    throw notFound(name);
  };
  return {
    list: async () => (isThere ? [image] : []),
    get: byName,
    getById: byId,
    async hold(id, holderDir) {
      await byId(id);
      holders.add(holderDir);
    },
    async build(name, { signal, report }) {
      if (name !== image.name) throw new AppError('IMAGE_UNKNOWN', `Cannot build "${name}": no such recipe`);
      signal.throwIfAborted();
      report({ event: 'progress', stage: 'build image' });
      isThere = true;
      return image;
    },
    async delete(name) {
      await byName(name);
      isThere = false;
    },
    prune: async () => {},
    recipes: () => [image.name],
  };
}

function kernelStore(kernel: StoredKernel): KernelStore {
  return {
    list: async () => [kernel],
    async get(name) {
      if (name === kernel.name) return kernel;
      throw new AppError('KERNEL_NOT_FOUND', `Cannot find the kernel "${name}"`);
    },
  };
}

async function sparseFile(path: string, bytes: number): Promise<void> {
  await using file = await open(path, 'w');
  await file.truncate(bytes);
}

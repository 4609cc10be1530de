import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../../src/base/errors.ts';
import type { ArtifactSource } from '../../../src/core/ports/images/artifacts.ts';
import type { ImageOutlet } from '../../../src/core/ports/images/image-outlet.ts';
import type { ImageStore } from '../../../src/core/ports/images/image-store.ts';
import type { KernelStore, StoredKernel } from '../../../src/core/ports/images/kernels.ts';
import type { StoredImage } from '../../../src/core/ports/images/stored-image.ts';

import { checkPlainImageName, fullImageRef } from '../../../src/protocol/image/image-ref.ts';
import { imageNameFor, splitImageName } from '../../../src/protocol/image/platform.ts';
import { makeImageOf } from '../../helpers/read-image.ts';

/** Stores with one image and its kernel, whose files no VMM ever reads. */
export interface FakeStores {
  images: ImageStore;
  kernels: KernelStore;
  outlet: ImageOutlet;
  artifacts: ArtifactSource;
}

/** Name of the one image. */
export const FAKE_IMAGE = 'debian-bookworm';

/** Its id. */
export const FAKE_IMAGE_ID = `sha256:${'fa'.repeat(32)}`;

/** What every image that is not built says about its programs. */
const FAKE_PULLED_CONFIG = { env: ['FROM_IMAGE=yes'], cmd: ['true'], workingDir: '/' };

/** Name of the one kernel. */
const FAKE_KERNEL = 'fake-kernel';
/** The kernel for arm64, which is fetched when it is needed. */
export const FOREIGN_KERNEL = 'fake-kernel-arm64';
const ROOTFS_BYTES = 64 * 2 ** 20;
const CREATED_AT = '2026-01-01T00:00:00.000Z';

/**
 * Makes the files in `dir`. With `isBuilt: false` the image exists only after a build; with `hasHome` it is a
 * file system with an empty `/root`, not zeros.
 */
export async function makeFakeStores(
  dir: string,
  { isBuilt = true, hasHome = false } = {},
): Promise<FakeStores> {
  await mkdir(dir, { recursive: true });
  const image: StoredImage = {
    name: FAKE_IMAGE,
    id: FAKE_IMAGE_ID,
    arch: 'amd64',
    distro: 'debian',
    kernelName: FAKE_KERNEL,
    config: {},
    provenance: { origin: { kind: 'recipe', recipe: FAKE_IMAGE }, blobs: [] },
    isUnmanaged: false,
    rootfsPath: join(dir, 'rootfs.ext4'),
    sizeBytes: ROOTFS_BYTES,
    diskBytes: 0,
    createdAt: CREATED_AT,
  };
  const kernel: StoredKernel = {
    name: FAKE_KERNEL,
    release: '6.1.0',
    arch: 'amd64',
    kernelPath: join(dir, 'vmlinuz'),
    modulesPath: join(dir, 'modules.ext4'),
    initrdPath: join(dir, 'initrd'),
    initrdSha256: '0'.repeat(64),
    diskBytes: 0,
    createdAt: CREATED_AT,
    origin: { kind: 'package' },
    isKept: false,
  };
  await sparseFile(image.rootfsPath, ROOTFS_BYTES);
  if (hasHome) {
    await mkdir(join(dir, 'tree/root'), { recursive: true });
    makeImageOf(join(dir, 'tree'), image.rootfsPath);
  }
  await sparseFile(kernel.modulesPath, 2 ** 20);
  for (const path of [kernel.kernelPath, kernel.initrdPath]) await writeFile(path, 'fake');
  return {
    images: imageStore(image, isBuilt),
    kernels: kernelStore(kernel),
    outlet: FAKE_OUTLET,
    artifacts: FAKE_ARTIFACTS,
  };
}

/** Every registry has every artefact, with one file. */
const FAKE_ARTIFACTS: ArtifactSource = {
  async fetch({ reference, dir }, { signal, report }) {
    signal.throwIfAborted();
    report({ event: 'progress', stage: 'pull', bytes: { done: 1, total: 1 } });
    await writeFile(join(dir, 'install.sh'), '');
    return { reference, digest: FAKE_IMAGE_ID, files: 1 };
  },
};

/** Every file can be written, and every registry takes every image. */
const FAKE_OUTLET: ImageOutlet = {
  async export(image, { path, report, signal }) {
    signal.throwIfAborted();
    report({ event: 'progress', stage: 'write', bytes: { done: 1, total: 1 } });
    return { path, digest: image.id, layers: 1, sizeBytes: 1 };
  },
  async push(image, { reference, report, signal }) {
    signal.throwIfAborted();
    report({ event: 'progress', stage: 'push', bytes: { done: 1, total: 1 } });
    return { reference, digest: image.id, uploaded: 1, mounted: 0, present: 0, uploadedBytes: 1 };
  },
};

/** A store that can build `image`, and in which every registry has every reference. */
function imageStore(image: StoredImage, isBuilt: boolean): ImageStore {
  const named = new Map<string, StoredImage>(isBuilt ? [[image.name, image]] : []);
  const made = new Map<string, StoredImage>([[image.id, image]]);
  const holders = new Map<string, Set<string>>();
  const notFound = (what: string): AppError =>
    new AppError('IMAGE_NOT_FOUND', `Cannot find the image "${what}"`, {
      hint: `build it: banger image build ${image.name}`,
    });
  const isKept = (id: string): boolean =>
    [...named.values()].some((one) => one.id === id) ||
    [...(holders.get(id) ?? [])].some((dir) => existsSync(dir));
  const byId = async (id: string): Promise<StoredImage> => {
    const found = made.get(id);
    if (found && isKept(id)) return found;
    throw notFound(id);
  };
  const byName = async (name: string): Promise<StoredImage> => {
    const { base, arch = 'amd64' } = splitImageName(name);
    const whole = imageNameFor(fullImageRef(base) ?? base, { arch, hostArch: 'amd64' });
    const found = named.get(name) ?? named.get(whole);
    if (found) return found;
    throw notFound(name);
  };
  const publish = (name: string, one: StoredImage): StoredImage => {
    made.set(one.id, one);
    named.set(name, one);
    return one;
  };
  return {
    arch: 'amd64',
    list: async () => [...named.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    get: byName,
    getById: byId,
    async hold(id, holderDir) {
      await byId(id);
      holders.set(id, (holders.get(id) ?? new Set()).add(holderDir));
    },
    async build(name, { signal, report }) {
      if (name !== image.name) throw new AppError('IMAGE_UNKNOWN', `Cannot build "${name}": no such recipe`);
      signal.throwIfAborted();
      report({ event: 'progress', stage: 'build image' });
      return publish(name, image);
    },
    async add(name, { origin, arch, kernelName, force }, { signal, report }) {
      signal.throwIfAborted();
      const { base } = splitImageName(name);
      if (fullImageRef(base) !== base) checkPlainImageName(base);
      const before = named.get(name);
      if (before && !force && JSON.stringify(before.provenance.origin) !== JSON.stringify(origin)) {
        throw new AppError('IMAGE_EXISTS', `Cannot make image "${name}": another image has this name`);
      }
      report({ event: 'progress', stage: 'pull', bytes: { done: 1, total: 1 } });
      const { kernelName: _own, distro: _distro, ...rest } = image;
      const key = JSON.stringify([origin, kernelName, arch]);
      return publish(name, {
        ...rest,
        name,
        arch,
        id: `sha256:${createHash('sha256').update(key).digest('hex')}`,
        ...(kernelName === undefined ? {} : { kernelName }),
        config: FAKE_PULLED_CONFIG,
        provenance: { origin, blobs: [] },
      });
    },
    async delete(name) {
      named.delete((await byName(name)).name);
    },
    release: async () => {},
    prune: async () => ({ imageCount: 0, blobCount: 0, kernelCount: 0, initrdCount: 0, freedBytes: 0 }),
    diskUsage: async () => ({
      images: [...named.keys()].toSorted().map((name) => ({ name, uniqueBytes: 1, sharedBytes: 0 })),
      unnamed: { count: 0, bytes: 0 },
      blobs: { count: 0, bytes: 0 },
      kernels: { count: 1, bytes: 0 },
      initrds: { count: 1, bytes: 0 },
      reclaimableBytes: 0,
      totalBytes: named.size,
    }),
    withContent: async (name, work) => await work(await byName(name), '/nowhere'),
    recipes: () => [image.name],
  };
}

/** A store with `kernel`, to which the one for arm64 comes when it is needed, and imported ones. */
function kernelStore(kernel: StoredKernel): KernelStore {
  const foreign: StoredKernel = { ...kernel, name: FOREIGN_KERNEL, arch: 'arm64' };
  const stored = new Map([[kernel.name, kernel]]);
  const put = (one: StoredKernel): StoredKernel => {
    stored.set(one.name, one);
    return one;
  };
  const get: KernelStore['get'] = async (name) => {
    const found = stored.get(name);
    if (found) return found;
    throw new AppError('KERNEL_NOT_FOUND', `Cannot find the kernel "${name}"`);
  };
  const defaultOf = (arch: StoredKernel['arch']): StoredKernel => (arch === kernel.arch ? kernel : foreign);
  return {
    list: async () => [...stored.values()],
    get,
    getDefault: async (arch) => put(defaultOf(arch)),
    available: async () =>
      [kernel, foreign].map(({ name, release, arch }) => ({ name, release, arch, downloadBytes: 7 })),
    pull: async (arch) => put({ ...defaultOf(arch), isKept: true }),
    async importFiles({ name, path }) {
      if (stored.has(name)) throw new AppError('KERNEL_EXISTS', `Cannot import kernel "${name}"`);
      return put({ ...kernel, name, origin: { kind: 'file', path }, isKept: true });
    },
    async delete(name, options) {
      await get(name, options);
      stored.delete(name);
    },
    async hold(name, _holderDir, options) {
      await get(name, options);
    },
  };
}

async function sparseFile(path: string, bytes: number): Promise<void> {
  await using file = await open(path, 'w');
  await file.truncate(bytes);
}

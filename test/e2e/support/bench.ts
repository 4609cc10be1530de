import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { readImage, resolveName } from '../../../src/adapters/image/store/image-files.ts';
import { blobLink } from '../../../src/adapters/image/store/layout.ts';
import type { Abortable } from '../../../src/base/abort.ts';
import { processEnvironment, resolvePaths } from '../../../src/config/settings.ts';
import { overlaySize } from '../../../src/core/overlay-size.ts';
import type { GuestAgent } from '../../../src/core/ports/guest.ts';
import type { StoredKernel } from '../../../src/core/ports/images/kernels.ts';
import type { DriveSpec } from '../../../src/core/ports/vmm/spec.ts';
import { type BootRequest, bootVm, type TestVm } from './boot-vm.ts';
import { findKernel } from './kernel.ts';
import { findStaticBusybox, makeExt4, makeSmallImage, makeSparse, SMALL_IMAGE_BYTES } from './small-image.ts';

/** Initial size of a bench's work disk. */
export const WORK_BYTES = 64 * 2 ** 20;

/** What all benches of a suite share. */
export interface Workshop {
  dir: string;
  kernel: StoredKernel | undefined;
  image: { path: string; sizeBytes: number } | undefined;
  /** why there is no image on this host */
  whyNoImage: string;
}

/** The drives of one VM, which can boot from them repeatedly. */
export interface Bench {
  kernel: StoredKernel;
  /** path of a file of this bench: `overlay.img`, `work.ext4`, or any other */
  path(name: string): string;
  /** Makes or resizes the overlay drive and returns all four drives. */
  drives(options: { freeBytes: number }): Promise<DriveSpec[]>;
  boot(options: { freeBytes: number }): Promise<TestVm>;
  bootWith(
    drives: readonly DriveSpec[],
    bootArgs: readonly string[],
    options?: Pick<BootRequest, 'mostRestarts'>,
  ): Promise<TestVm>;
}

/** Makes the small image in `dir`, if this host can. */
export async function openSmallWorkshop(dir: string, { signal }: Abortable): Promise<Workshop> {
  const [kernel, busybox] = await Promise.all([findKernel({ signal }), findStaticBusybox()]);
  const path = join(dir, 'small.ext4');
  if (busybox) await makeSmallImage(path, { scratchDir: dir, busybox, signal });
  return {
    dir,
    kernel,
    image: busybox ? { path, sizeBytes: SMALL_IMAGE_BYTES } : undefined,
    whyNoImage: 'no statically linked busybox on this host (package busybox-static)',
  };
}

/** Takes the product's image `name` from the store. */
export async function openImageWorkshop(
  dir: string,
  { name, signal }: Abortable & { name: string },
): Promise<Workshop> {
  const { imagesDir } = resolvePaths(processEnvironment());
  const id = await resolveName(imagesDir, name);
  const stored = id && (await readImage(join(imagesDir, blobLink(id)), name));
  return {
    dir,
    kernel: await findKernel({ signal }),
    image: stored ? { path: stored.rootfsPath, sizeBytes: stored.sizeBytes } : undefined,
    whyNoImage: `no image in the store: run "banger image build ${name}"`,
  };
}

/** A bench with an empty work disk; skips the test, and says why, when this host cannot have one. */
export async function openBench(
  t: TestContext,
  { dir, kernel, image, whyNoImage }: Workshop,
  { signal }: Abortable,
): Promise<Bench | undefined> {
  if (!kernel) t.skip('no kernel in the store: run "banger image build"');
  else if (!image) t.skip(whyNoImage);
  if (!kernel || !image) return undefined;
  const own = await mkdtemp(join(dir, 'vm-'));
  const path = (name: string): string => join(own, name);
  await makeExt4(path('work.ext4'), { sizeBytes: WORK_BYTES, signal });
  const drives = async ({ freeBytes }: { freeBytes: number }): Promise<DriveSpec[]> => {
    const { overlayBytes } = overlaySize({ imageBytes: image.sizeBytes, freeBytes });
    await makeSparse(path('overlay.img'), overlayBytes);
    // Not in the order in which the guest uses them, so that it must find them by their serials.
    return [
      drive('modules', kernel.modulesPath, { isReadOnly: true }),
      drive('work', path('work.ext4'), { isReadOnly: false }),
      drive('overlay', path('overlay.img'), { isReadOnly: false }),
      drive('root', image.path, { isReadOnly: true }),
    ];
  };
  const bootWith: Bench['bootWith'] = (specs, bootArgs, options = {}) =>
    bootVm({ dir: own, kernel, drives: specs, bootArgs: ['rw', ...bootArgs], ...options }, { signal });
  return {
    kernel,
    path,
    drives,
    boot: async ({ freeBytes }) =>
      bootWith(await drives({ freeBytes }), [`banger.overlay_free=${freeBytes}`]),
    bootWith,
  };
}

/**
 * Runs a script in the guest and returns its output without the last line feed. Fails unless it exits with
 * status 0.
 */
export async function sh(agent: GuestAgent, script: string, { signal }: Abortable): Promise<string> {
  const { exit, stdout, stderr } = await agent.run({ argv: ['sh', '-c', script] }, { signal });
  if (!('code' in exit) || exit.code !== 0) {
    throw new Error(
      `"${script}" ended with ${JSON.stringify(exit)}: ${stdout.toString()}${stderr.toString()}`,
    );
  }
  return stdout.toString().trimEnd();
}

function drive(
  serial: DriveSpec['serial'],
  pathOnHost: string,
  { isReadOnly }: { isReadOnly: boolean },
): DriveSpec {
  return { serial, pathOnHost, format: 'raw', isReadOnly, sizeBytes: 0 };
}

import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Abortable } from '../../../src/base/abort.ts';
import { overlaySize } from '../../../src/core/overlay-size.ts';
import type { GuestAgent } from '../../../src/core/ports/guest.ts';
import type { StoredKernel } from '../../../src/core/ports/images.ts';
import type { DriveSpec } from '../../../src/core/ports/vmm.ts';
import { bootVm, type TestVm } from './boot-vm.ts';
import { findKernel } from './kernel.ts';
import { findStaticBusybox, makeExt4, makeSmallImage, makeSparse, SMALL_IMAGE_BYTES } from './small-image.ts';

/** Size that the work disk of a bench has at first. */
export const WORK_BYTES = 64 * 2 ** 20;

/** What all benches of a suite share: the kernel and the small image. */
export interface Workshop {
  dir: string;
  kernel?: StoredKernel;
  imagePath?: string;
}

/** The drives of one VM of the small image, and what boots them, again and again. */
export interface Bench {
  kernel: StoredKernel;
  /** path of a file of this bench: `overlay.img`, `work.ext4`, or any other */
  path(name: string): string;
  /** Makes or resizes the overlay drive and gives all four drives. */
  drives(options: { freeBytes: number }): Promise<DriveSpec[]>;
  boot(options: { freeBytes: number }): Promise<TestVm>;
  bootWith(drives: readonly DriveSpec[], bootArgs: readonly string[]): Promise<TestVm>;
}

/** Makes the small image in `dir`, when this host can. */
export async function openWorkshop(dir: string, { signal }: Abortable): Promise<Workshop> {
  const [kernel, busybox] = await Promise.all([findKernel({ signal }), findStaticBusybox()]);
  const imagePath = join(dir, 'small.ext4');
  if (busybox) await makeSmallImage(imagePath, { scratchDir: dir, busybox, signal });
  return { dir, ...(kernel ? { kernel } : {}), ...(busybox ? { imagePath } : {}) };
}

/** A bench with an empty work disk; skips the test, and says why, when this host cannot have one. */
export async function openBench(
  t: TestContext,
  { dir, kernel, imagePath }: Workshop,
  { signal }: Abortable,
): Promise<Bench | undefined> {
  if (!kernel) t.skip('no kernel in the store: run "banger image build"');
  else if (!imagePath) t.skip('no statically linked busybox on this host (package busybox-static)');
  if (!kernel || !imagePath) return undefined;
  const own = await mkdtemp(join(dir, 'vm-'));
  const path = (name: string): string => join(own, name);
  await makeExt4(path('work.ext4'), { sizeBytes: WORK_BYTES, signal });
  const drives = async ({ freeBytes }: { freeBytes: number }): Promise<DriveSpec[]> => {
    const { overlayBytes } = overlaySize({ imageBytes: SMALL_IMAGE_BYTES, freeBytes });
    await makeSparse(path('overlay.img'), overlayBytes);
    // Not in the order in which the guest uses them: it must go by their serials.
    return [
      drive('modules', kernel.modulesPath, { isReadOnly: true }),
      drive('work', path('work.ext4'), { isReadOnly: false }),
      drive('overlay', path('overlay.img'), { isReadOnly: false }),
      drive('root', imagePath, { isReadOnly: true }),
    ];
  };
  const bootWith: Bench['bootWith'] = (specs, bootArgs) =>
    bootVm({ dir: own, kernel, drives: specs, bootArgs: ['rw', ...bootArgs] }, { signal });
  return {
    kernel,
    path,
    drives,
    boot: async ({ freeBytes }) =>
      bootWith(await drives({ freeBytes }), [`banger.overlay_free=${freeBytes}`]),
    bootWith,
  };
}

/** Runs a script in the guest and gives its output without the last line feed; fails unless it ends with status 0. */
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

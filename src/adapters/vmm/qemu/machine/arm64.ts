import type { Machine } from './machine.ts';

/**
 * The version of the machine that is used where available: that of the oldest QEMU in wide use, which newer
 * ones keep for many years.
 */
const PREFERRED_VIRT = 'virt-7.2';

/** QEMU's virt, in a version: it is the same in every QEMU, so a saved guest outlives an upgrade. */
export const ARM64: Machine = {
  program: 'qemu-system-aarch64',
  type: 'virt',
  typeIn: newestVirt,
  options: 'gic-version=max',
  // Real pointer authentication is slow.
  emulatedCpu: 'max,pauth-impdef=on',
  console: 'ttyAMA0',
  bootArgs: [],
  emulationArgs: () => [],
  // An Image, which is not compressed.
  kernelFile: ({ kernelPath }) => kernelPath,
  mayLackTimer: false,
};

function newestVirt(offered: ReadonlySet<string>): string {
  if (offered.has(PREFERRED_VIRT)) return PREFERRED_VIRT;
  const versions = [...offered].flatMap((name) => {
    const [, major, minor] = /^virt-([0-9]+)\.([0-9]+)$/.exec(name) ?? [];
    return major === undefined ? [] : [{ name, order: Number(major) * 1000 + Number(minor) }];
  });
  return versions.sort((a, b) => b.order - a.order)[0]?.name ?? 'virt';
}

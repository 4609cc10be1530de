import { join } from 'node:path';

/**
 * A kernel in the store. Everything except the initramfs is written once:
 *
 *     <kernelsDir>/
 *       <name>/
 *         manifest.json
 *         vmlinuz             as the distribution ships it
 *         vmlinux             the ELF file inside, when it could be extracted
 *         config              its build options
 *         modules.ext4        all of /lib/modules/<release>
 *         boot-modules/       modules.dep, modules.builtin and the modules of the initramfs
 *         initrd-<hash>.img   initramfs with the agent of that hash; its time is that of its last use
 *         kept                empty: the user asked for it, and only the user deletes it
 *         holders/            folders of VMs that keep the kernel (base/files/holders.ts)
 *       .staging/             kernels being made (base/files/staging.ts)
 *       .lock                 held while kernels are added or removed
 *       .fetch.lock           held while the default kernel is fetched
 */
export interface KernelLayout {
  dir: string;
  manifest: string;
  vmlinuz: string;
  vmlinux: string;
  config: string;
  modules: string;
  bootModules: string;
  kept: string;
  holders: string;
}

/** Paths of the files of the kernel in `dir`. */
export function kernelLayout(dir: string): KernelLayout {
  return {
    dir,
    manifest: join(dir, KERNEL_FILES.manifest),
    vmlinuz: join(dir, KERNEL_FILES.vmlinuz),
    vmlinux: join(dir, KERNEL_FILES.vmlinux),
    config: join(dir, KERNEL_FILES.config),
    modules: join(dir, KERNEL_FILES.modules),
    bootModules: join(dir, 'boot-modules'),
    kept: join(dir, 'kept'),
    holders: join(dir, 'holders'),
  };
}

/** Names of the plain files of a kernel. */
export const KERNEL_FILES = {
  manifest: 'manifest.json',
  vmlinuz: 'vmlinuz',
  vmlinux: 'vmlinux',
  config: 'config',
  modules: 'modules.ext4',
} as const;

/** Name of the initramfs with the agent whose hash is `agentSha256`. */
export function initrdName(agentSha256: string): string {
  return `initrd-${agentSha256.slice(0, 16)}.img`;
}

/** True for names that {@link initrdName} returns, and for files that were to get one. */
export function isInitrdFile(name: string): boolean {
  return /^initrd-[0-9a-f]{16}\.img(\.[0-9a-f]+\.tmp)?$/.test(name);
}

/** Folder of kernels being made. */
export function kernelStaging(kernelsDir: string): string {
  return join(kernelsDir, '.staging');
}

/** Lock that is held while kernels are added or removed. */
export function kernelLock(kernelsDir: string): string {
  return join(kernelsDir, '.lock');
}

/** Lock that is held while the default kernel is fetched. */
export function fetchLock(kernelsDir: string): string {
  return join(kernelsDir, '.fetch.lock');
}

import type { StoredKernel } from '../../ports/images/kernels.ts';
import type { BootSource } from '../../ports/vmm/spec.ts';

/**
 * For every kernel. Only security modules that programs use by themselves are on: with AppArmor on and its
 * parser not installed, container engines refuse to start anything, and the VM is the boundary anyway. The
 * network interface is named `eth0` under every VMM and every image's udev.
 */
const COMMON_BOOT_ARGS = ['lsm=landlock,lockdown,yama,bpf', 'net.ifnames=0'];

/** The boot source of a kernel of the store. */
export function bootSourceOf(kernel: StoredKernel, systemOverlaySizeBytes: number): BootSource {
  return {
    arch: kernel.arch,
    kernelPath: kernel.kernelPath,
    ...(kernel.vmlinuxPath ? { vmlinuxPath: kernel.vmlinuxPath } : {}),
    initrdPath: kernel.initrdPath,
    bootArgs: [...COMMON_BOOT_ARGS, `banger.overlay_free=${systemOverlaySizeBytes}`],
  };
}

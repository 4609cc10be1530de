import type { StoredKernel } from '../../ports/images.ts';
import type { BootSource } from '../../ports/vmm/spec.ts';

/**
 * For every kernel: where AppArmor is on and its parser is not installed, container engines refuse to start
 * anything, and of the security modules with a policy there is one that nobody needs (the VM is the
 * boundary), so only those stay that programs ask for themselves; and the one network interface is `eth0`,
 * under every VMM and whatever the image has for udev.
 */
const COMMON_BOOT_ARGS = ['lsm=landlock,lockdown,yama,bpf', 'net.ifnames=0'];

/** What a kernel of the store boots with. */
export function bootSourceOf(kernel: StoredKernel, systemOverlaySizeBytes: number): BootSource {
  return {
    kernelPath: kernel.kernelPath,
    ...(kernel.vmlinuxPath ? { vmlinuxPath: kernel.vmlinuxPath } : {}),
    initrdPath: kernel.initrdPath,
    bootArgs: [...COMMON_BOOT_ARGS, `banger.overlay_free=${systemOverlaySizeBytes}`],
  };
}

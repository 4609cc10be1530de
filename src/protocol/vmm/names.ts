/** The VMMs that VMs can run on, by name. */
export const VMM_NAMES = ['qemu', 'firecracker'] as const;
export type VmmName = (typeof VMM_NAMES)[number];

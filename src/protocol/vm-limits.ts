/** Least memory of a VM, in `MiB`; below, the guest's kernel does not boot. */
export const MIN_MEMORY_MIB = 128;

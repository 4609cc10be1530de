/** Least memory of a VM, in `MiB`: the guest's kernel does not boot with less. */
export const MIN_MEMORY_MIB = 128;

/** Most forks of one request: each is a VM with memory of its own. */
export const MAX_FORK_COUNT = 100;

/** A snapshot's name, which is also the name of its folder. */
export const SNAPSHOT_TAG = /^[a-z0-9][a-z0-9._-]{0,62}$/;

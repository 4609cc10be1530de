/** What decides how many forks run at the same time. */
export interface JobFacts {
  /** of this host */
  cpuCount: number;
  /** of this host, in `MiB`, that programs can have now */
  freeMib: number;
  /** of one fork */
  vcpuCount: number;
  /** of one fork */
  memoryMib: number;
}

/** Share of the free memory that forks may fill. */
const MEMORY_SHARE = 0.75;

/**
 * Returns how many forks at a time suit this host: as many as its processors and its free memory have room
 * for when each uses all it has, at least one.
 */
export function jobCountOf({ cpuCount, freeMib, vcpuCount, memoryMib }: JobFacts): number {
  const byProcessors = Math.floor(cpuCount / Math.max(1, vcpuCount));
  const byMemory = Math.floor((freeMib * MEMORY_SHARE) / Math.max(1, memoryMib));
  return Math.max(1, Math.min(byProcessors, byMemory));
}

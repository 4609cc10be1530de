import type { VmWorld } from '../../src/core/vms/world.ts';

/** A guest that hangs is killed sooner than in the product. */
export const LAB_SYNC_LIMITS: VmWorld['syncLimits'] = {
  stop: {
    silent: { idleMs: 2_000, spinMs: 4_000, totalMs: 60_000 },
    syncing: { idleMs: 6_000, spinMs: 12_000, totalMs: 60_000 },
    everyMs: 100,
  },
  kill: {
    silent: { idleMs: 2_000, spinMs: 2_000, totalMs: 2_000 },
    syncing: { idleMs: 10_000, spinMs: 10_000, totalMs: 10_000 },
    everyMs: 100,
  },
};

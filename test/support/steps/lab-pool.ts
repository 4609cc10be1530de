import type { PoolOptions } from '../../../src/core/vms/pool/pool.ts';

/** A pool of one VM, of the shape that started last, made right after the start. */
export const LAB_POOL: PoolOptions = {
  delayMs: 0,
  withinMs: { least: 0, most: 0 },
  forgetMs: 0,
  keepMs: 600_000,
  most: 1,
  mostAtOnce: 1,
  hasRoom: () => true,
};

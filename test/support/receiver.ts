import { join } from 'node:path';

/** The program `banger-receive` of the source tree. */
export const SOURCE_RECEIVER = [
  process.execPath,
  join(import.meta.dirname, '../../src/adapters/vmm/qemu/receive-main.ts'),
] as const;

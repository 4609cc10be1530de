import { join } from 'node:path';
import { NODE_FLAGS } from '../../src/config/node-flags.ts';

/** The program `banger-receive` of the source tree. */
export const SOURCE_RECEIVER = [
  process.execPath,
  ...NODE_FLAGS,
  join(import.meta.dirname, '../../src/adapters/vmm/qemu/save/receive-main.ts'),
] as const;

import { join } from 'node:path';
import { linuxHostFacts } from '../../src/adapters/vmm/host-facts.ts';

/** The program `banger-host` of this checkout, as `npm run setup` builds it. */
export const BUILT_HOST_TOOLS = join(
  import.meta.dirname,
  `../../host/bin/banger-host-${linuxHostFacts().arch}`,
);

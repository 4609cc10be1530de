import { linuxHostFacts } from '../../../../src/adapters/vmm/host-facts.ts';
import { QemuDriver } from '../../../../src/adapters/vmm/qemu/qemu-driver.ts';
import { nullLog } from '../../../../src/base/log.ts';
import type { CreateDriver } from '../fixture.ts';

/** The driver as the daemon makes it. */
export const createDriver: CreateDriver = ({ cacheDir }) =>
  new QemuDriver({ cacheDir: String(cacheDir), facts: linuxHostFacts(), env: process.env, log: nullLog });

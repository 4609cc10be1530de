import { packagesOf } from '../../../core/rules/host-packages.ts';
import type { Check } from '../check.ts';
import { installing } from '../installing.ts';
import { isAtLeast, programVersion } from './program-version.ts';

/** It introduced `mkfs.ext4 -d`, in 2016. */
const OLDEST = '1.43';

/** Work disks can be formatted. */
export const checkE2fsprogs: Check = {
  name: 'e2fsprogs',
  async run({ env }, { signal }) {
    const version = await programVersion(
      { argv: ['mkfs.ext4', '-V'], pattern: /mke2fs ([0-9]+(?:\.[0-9]+)+)/ },
      { env, signal },
    );
    if (version !== undefined && isAtLeast(version, OLDEST)) return { status: 'pass', message: version };
    return {
      status: 'fail',
      message: `${version ?? 'not installed'}; ${OLDEST} or newer makes the disks of VMs`,
      ...installing(packagesOf(['mkfs.ext4'])),
    };
  },
};

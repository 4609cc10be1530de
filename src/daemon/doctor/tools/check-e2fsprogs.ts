import type { Check } from '../check.ts';
import { installFix } from './packages.ts';
import { isAtLeast, programVersion } from './program-version.ts';

/** `mkfs.ext4 -d` came with it, in 2016. */
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
    const e2fsprogs = 'e2fsprogs';
    return {
      status: 'fail',
      message: `${version ?? 'not installed'}; ${OLDEST} or newer makes the disks of VMs`,
      fix: installFix({ apt: e2fsprogs, dnf: e2fsprogs, pacman: e2fsprogs, zypper: e2fsprogs }),
    };
  },
};

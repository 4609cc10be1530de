import { findProgram } from '../../../base/process/programs.ts';
import { packagesOf } from '../../../core/rules/host-packages.ts';
import type { Check } from '../check.ts';
import { installing } from '../installing.ts';

/** Needed to build images; VMs of existing images run without them. */
const TOOLS = ['mmdebstrap', 'mkfs.ext4', 'npm'] as const;
/** What an ordinary user needs in addition. */
const USER_TOOLS = ['newuidmap', 'unshare'] as const;

/** Images can be built. */
export const checkImageTools: Check = {
  name: 'image tools',
  async run({ env, uid }) {
    const wanted = uid === 0 ? TOOLS : [...TOOLS, ...USER_TOOLS];
    const found = await Promise.all(wanted.map((tool) => findProgram(tool, env)));
    const missing = wanted.filter((_, index) => !found[index]);
    if (missing.length === 0) return { status: 'pass', message: wanted.join(', ') };
    return {
      status: 'warn',
      message: `${missing.join(', ')}: not installed, so the built-in image cannot be built`,
      ...installing(packagesOf(missing)),
    };
  },
};

import { packagesOf } from '../../../core/rules/host-packages.ts';
import type { Check } from '../check.ts';
import { installing } from '../installing.ts';
import { programVersion } from './program-version.ts';

/** ssh, scp and rsync to VMs need it; banger itself does not. */
export const checkOpenssh: Check = {
  name: 'openssh',
  async run({ env }, { signal }) {
    const version = await programVersion(
      { argv: ['ssh', '-V'], pattern: /OpenSSH_([0-9]+\.[0-9]+(?:p[0-9]+)?)/ },
      { env, signal },
    );
    if (version !== undefined) return { status: 'pass', message: version };
    return {
      status: 'warn',
      message: 'not installed; banger works without it, but ssh and scp to VMs do not',
      ...installing(packagesOf(['ssh'])),
    };
  },
};

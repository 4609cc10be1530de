import { findProgram } from '../../base/programs.ts';
import type { Check } from './check.ts';
import { installFix } from './packages.ts';

/** Working trees can be sent. */
export const checkWorkspaceTools: Check = {
  name: 'workspace tools',
  async run({ env }) {
    const tools = ['git', 'tar'];
    const found = await Promise.all(tools.map((tool) => findProgram(tool, env)));
    const missing = tools.filter((_, index) => !found[index]);
    if (missing.length === 0) return { status: 'pass', message: tools.join(', ') };
    const names = missing.join(' ');
    return {
      status: 'fail',
      message: `${missing.join(', ')}: not installed, so working trees cannot be sent`,
      fix: installFix({ apt: names, dnf: names, pacman: names, zypper: names }),
    };
  },
};

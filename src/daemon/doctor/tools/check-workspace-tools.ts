import { packagesOf } from '../../../core/rules/host-packages.ts';
import type { Check } from '../check.ts';
import { installing } from '../installing.ts';
import { isAtLeast, programVersion } from './program-version.ts';

/** The programs that send working trees, and the oldest versions that work (`adapters/workspace`). */
const TOOLS = [
  {
    name: 'git',
    least: '2.31',
    argv: ['git', '--version'] as const,
    pattern: /git version ([0-9]+(?:\.[0-9]+)+)/,
  },
  {
    name: 'tar',
    least: '1.29',
    argv: ['tar', '--version'] as const,
    pattern: /^tar \(GNU tar\) ([0-9]+(?:\.[0-9]+)+)/,
  },
];

/** Working trees can be sent. */
export const checkWorkspaceTools: Check = {
  name: 'workspace tools',
  async run({ env }, { signal }) {
    const found = await Promise.all(
      TOOLS.map(async (tool) => ({ ...tool, version: await programVersion(tool, { env, signal }) })),
    );
    const bad = found.filter(({ version, least }) => version === undefined || !isAtLeast(version, least));
    if (bad.length === 0) {
      return { status: 'pass', message: found.map(({ name, version }) => `${name} ${version}`).join(', ') };
    }
    const wanted = bad.map(({ name, least }) => `${name} ${least} or newer`).join(' and ');
    return {
      status: 'fail',
      message: `${wanted} not found, so working trees cannot be sent`,
      ...installing(packagesOf(bad.map(({ name }) => name))),
    };
  },
};

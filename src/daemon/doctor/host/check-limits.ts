import { readFile } from 'node:fs/promises';
import { formatSize } from '../../../base/text/size.ts';
import type { Check } from '../check.ts';

/** The daemon keeps a few files open per VM and client: enough for a hundred VMs. */
const LEAST_OPEN_FILES = 1024;

/** Each VM is a process with a dozen threads. */
const LEAST_PROCESSES = 1024;

/** Limits of the daemon, and therefore of the VMs that it starts. */
export const checkLimits: Check = {
  name: 'limits',
  async run({ world }) {
    const limits = parseLimits(await readFile('/proc/self/limits', 'utf8'));
    const files = limits.get('Max open files') ?? Infinity;
    const processes = limits.get('Max processes') ?? Infinity;
    const fileBytes = limits.get('Max file size') ?? Infinity;
    const { diskSizeBytes, systemOverlaySizeBytes } = world.defaults;
    const problems = [
      ...(files < LEAST_OPEN_FILES ? [`open files ${files} (ulimit -n)`] : []),
      ...(processes < LEAST_PROCESSES ? [`processes ${processes} (ulimit -u)`] : []),
      ...(fileBytes < Math.max(diskSizeBytes, systemOverlaySizeBytes)
        ? [`file size ${formatSize(fileBytes)} (ulimit -f)`]
        : []),
    ];
    if (problems.length === 0) {
      return { status: 'pass', message: `${shown(files)} open files, ${shown(processes)} processes` };
    }
    return {
      status: 'warn',
      message: `low for VMs: ${problems.join(', ')}`,
      fix: 'raise them (limits.conf(5)), then: banger daemon stop',
    };
  },
};

/** Soft limits by name, from proc(5) /proc/PID/limits; without unlimited ones. */
export function parseLimits(text: string): Map<string, number> {
  const limits = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name, soft] = /^(Max [a-z ]+?)\s{2,}([0-9]+)\s/.exec(line) ?? [];
    if (name !== undefined) limits.set(name, Number(soft));
  }
  return limits;
}

function shown(limit: number): string {
  return Number.isFinite(limit) ? String(limit) : 'unlimited';
}

import { printable } from '../../../base/errors.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { VmHost } from '../world.ts';

/** How many of the last lines of each log are shown, and how many `characters`. */
const TAIL_LINES = 3;
const TAIL_CHARACTERS = 300;

/**
 * The error for a VM that ended although nobody stopped it: what happened, and the ends of its VMM's log and
 * its console. Their content comes from the guest and is bounded.
 */
export async function vmmDied(
  world: Pick<VmHost, 'files'>,
  { id, runtime }: VmRecord,
  what: string,
): Promise<NonNullable<VmRecord['lastError']>> {
  // Older lines belong to earlier starts.
  const sinceMs = Date.parse(runtime?.startedAt ?? '') || undefined;
  const endOf = async (kind: 'vmm' | 'console'): Promise<string> => {
    const lines = await world.files.logTail(id, kind, TAIL_LINES, { sinceMs });
    return printable(lines.join(' | ')).slice(-TAIL_CHARACTERS);
  };
  const [vmm, console] = [await endOf('vmm'), await endOf('console')];
  const ends = [
    ...(vmm ? [`its log ends: ${vmm}`] : []),
    ...(console ? [`its console ends: ${console}`] : []),
  ];
  return { code: 'VMM_DIED', message: [what, ...ends].join('; ') };
}

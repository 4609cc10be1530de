import { printable } from '../../../base/errors.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { VmHost } from '../world.ts';

/** Last lines that are told of each log, and `characters` of them. */
const TAIL_LINES = 3;
const TAIL_CHARACTERS = 300;

/**
 * Why a VM does not run any more that nobody stopped: what happened, and how the logs of its VMM and its
 * console end. What they say is the guest's, and bounded.
 */
export async function vmmDied(
  world: Pick<VmHost, 'files'>,
  { id, runtime }: VmRecord,
  what: string,
): Promise<NonNullable<VmRecord['lastError']>> {
  // Older lines are of earlier starts.
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

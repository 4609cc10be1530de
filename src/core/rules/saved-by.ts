import { AppError } from '../../base/errors.ts';
import { AGENT_GENERATIONS, type AgentGenerations, speaksGeneration } from '../../protocol/guest.ts';
import type { SavedBy, SavedGuestParts } from '../ports/saved-by.ts';
import type { DriverProbe } from '../ports/vmm/driver.ts';

/** What guests are restored with here. */
export interface RestoringHost {
  probe: Pick<DriverProbe, 'savedGuestKey' | 'savedGuestParts'>;
  /** what this program speaks, unless said otherwise */
  generations?: AgentGenerations;
}

/** The part of a host because of which a saved guest cannot be restored on it. */
export interface Difference {
  part: keyof SavedGuestParts | 'agent';
  /** what it was saved with, for people */
  saved: string;
  /** what is here */
  here: string;
  /** the version of banger that saved it, when known */
  banger?: string;
}

/** Every agent was of this generation until banger noted it with what it saves. */
const UNNOTED_AGENT = { generation: 1 };

const PARTS = ['vmm', 'accelerator', 'processor', 'machine'] as const;

const LABELS: Readonly<Record<Difference['part'], string>> = {
  vmm: 'VMM',
  accelerator: 'accelerator',
  processor: 'processor',
  machine: 'machine',
  agent: 'guest agent',
};

/**
 * The first thing here that a saved guest does not fit; `undefined` when it fits as far as is known. What was
 * not noted about it, as by older versions of banger, is taken to fit: the VMM itself refuses what it cannot
 * read, before the guest runs.
 */
export function differenceOf(
  savedBy: SavedBy | undefined,
  { probe, generations = AGENT_GENERATIONS }: RestoringHost,
): Difference | undefined {
  const banger = savedBy === undefined ? {} : { banger: savedBy.banger };
  const agent = savedBy === undefined ? UNNOTED_AGENT : savedBy.agent;
  if (agent && !speaksGeneration(agent.generation, generations)) {
    const { oldest, newest } = generations;
    const here = oldest === newest ? `generation ${newest}` : `generations ${oldest} to ${newest}`;
    return { part: 'agent', saved: `generation ${agent.generation}`, here, ...banger };
  }
  const { kind } = savedBy ?? {};
  if (!kind || !probe.savedGuestParts || kind.key === probe.savedGuestKey) return undefined;
  for (const part of PARTS) {
    const [saved, here] = [kind.parts[part], probe.savedGuestParts[part]];
    if (saved.token !== here.token) return { part, saved: saved.name, here: here.name, ...banger };
  }
  return undefined;
}

/** `it was saved with the VMM QEMU 7.2.22, and this host has QEMU 8.2.0`: the end of a message. */
export function differenceText({ part, saved, here }: Difference): string {
  return `it was saved with the ${LABELS[part]} ${saved}, and this host has ${here}`;
}

/**
 * Makes sure that a saved guest fits, before anything is given up for it. `what` is what cannot be done
 * otherwise: `resume vm "web"`; `hint` is what can be done instead.
 *
 * @throws {AppError} SAVED_GUEST_DIFFERS naming the part.
 */
export function requireFit(
  savedBy: SavedBy | undefined,
  host: RestoringHost,
  { what, hint }: { what: string; hint: string },
): void {
  const difference = differenceOf(savedBy, host);
  if (!difference) return;
  throw new AppError('SAVED_GUEST_DIFFERS', `Cannot ${what}: ${differenceText(difference)}`, {
    hint,
    details: { ...difference },
  });
}

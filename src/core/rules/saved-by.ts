import { AppError } from '../../base/errors.ts';
import { AGENT_GENERATIONS, type AgentGenerations, speaksGeneration } from '../../protocol/guest.ts';
import type { SavedBy, SavedGuestParts } from '../ports/saved-by.ts';
import type { DriverProbe } from '../ports/vmm/driver.ts';

/** What restores guests on this host. */
export interface RestoringHost {
  probe: Pick<DriverProbe, 'savedGuestKey' | 'savedGuestParts'>;
  /** default: the generations that this program speaks */
  generations?: AgentGenerations;
}

/** The part of a host that prevents a saved guest from being restored on it. */
export interface Difference {
  part: keyof SavedGuestParts | 'agent';
  /** what it was saved with, for people */
  saved: string;
  /** what is here */
  here: string;
  /** the version of banger that saved it, when known */
  banger?: string;
}

/** The generation of every agent before banger recorded it with saved guests. */
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
 * The first part of this host that a saved guest does not fit; `undefined` when no difference is known. Parts
 * that older versions of banger did not record are assumed to fit: the VMM refuses what it cannot read,
 * before the guest runs.
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
 * Checks that a saved guest fits before anything is given up for it. `what` names the work in the error:
 * `resume vm "web"`; `hint` is the alternative.
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

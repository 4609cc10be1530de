import { readFile } from 'node:fs/promises';
import { type Abortable, neverAborts, poll, withDeadline } from '../../../src/base/abort.ts';
import { abortable } from '../../../src/base/async.ts';
import { AppError, messageOf } from '../../../src/base/errors.ts';
import { BUG_CODE, realErrorOf } from '../../../src/protocol/error-body.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import type { Scenario, ScenarioWorld } from './scenarios.ts';
import type { StepAction } from './step-daemon.ts';

/** The results of interrupting an operation at its steps. */
export interface Interrupted {
  /** the steps at which it was interrupted */
  hits: string[];
  /** what was wrong afterwards, with the step; empty when nothing was */
  problems: string[];
  /** codes of the errors that the client got */
  codes: string[];
}

/**
 * `ms` in which an operation and its cleanup end when a VMM hangs: the sum of all deadlines of a start.
 */
const HANG_LIMIT_MS = { operation: 480_000, removal: 60_000 };

const ENDING = 'it to end';

/** Options of {@link interruptEach}. */
export interface InterruptOptions {
  action: (world: ScenarioWorld) => StepAction;
  /** interrupts at every Nth step; 1: at each */
  stride?: number;
  /** the first step */
  from?: number;
  /** ends it between two waits; default: never */
  signal?: AbortSignal;
}

/**
 * Runs the operation again and again and interrupts it one step later each time, until it ends before that
 * step. After each run, with a new daemon when the old one was killed, nothing may be left that no record
 * accounts for, and the checks of `scenario` must pass.
 */
export async function interruptEach(
  world: ScenarioWorld,
  scenario: Scenario,
  { action, stride = 1, from = 1, signal = neverAborts() }: InterruptOptions,
): Promise<Interrupted> {
  const { lab } = world;
  const found: Interrupted = { hits: [], problems: [], codes: [] };
  for (let at = from; ; at += stride) {
    signal.throwIfAborted();
    await lab.start();
    await scenario.prepare(world);
    const planned = action(world);
    await lab.arm(at, planned);
    const failure = await within({ signal, deadlineMs: HANG_LIMIT_MS.operation }, () =>
      scenario.run(world),
    ).then(() => undefined, toError);
    signal.throwIfAborted();
    const { hit, isDead, killed = [] } = await lab.report();
    for (const pid of killed) await gone(pid);
    await lab.freeSpace();
    const where = `${scenario.name}, ${planned.kind}, step ${at} (${hit}): `;
    if (hit === undefined) {
      if (failure) found.problems.push(`${where}it fails uninterrupted: ${failure.message}`);
      return found;
    }
    found.hits.push(hit);
    if (failure instanceof AppError && failure.details?.['what'] === ENDING) {
      found.problems.push(`${where}it does not end`);
    }
    if (failure instanceof AppError) found.codes.push(failure.code);
    if (!isDead && failure && planned.kind !== 'client' && isUnclear(failure, planned, world)) {
      found.problems.push(`${where}unclear error: ${JSON.stringify(failure)} ${failure.message}`);
    }
    if (isDead) await lab.start();
    if (planned.kind === 'hang') {
      const removal = await removeAll(world, { signal }).then(() => undefined, toError);
      signal.throwIfAborted();
      if (removal) {
        found.problems.push(`${where}not removed: ${removal.message}`);
        await lab.kill();
        await lab.start();
      }
    }
    const left = await settledResidue(world);
    if (left.length > 0) found.problems.push(`${where}left: ${left.join('; ')}`);
    try {
      if (planned.kind !== 'hang') await scenario.check(world, planned.kind);
    } catch (error) {
      found.problems.push(`${where}${messageOf(error)}`);
    }
  }
}

/** Waits until a killed process has ended, because checks before that prove nothing. */
async function gone(pid: number): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return words === '' ? true : undefined;
  };
  const options = { everyMs: 5, deadlineMs: 30_000, what: 'a killed VMM to go', signal: neverAborts() };
  await poll(look, options);
}

/** Deletes every VM, as a user does whose VMs hang. */
async function removeAll({ lab }: ScenarioWorld, { signal }: Abortable): Promise<void> {
  for (const { id } of lab.records()) {
    await within({ signal, deadlineMs: HANG_LIMIT_MS.removal }, () =>
      resultOf(lab.client.deleteVm(id, { signal })),
    );
  }
}

async function within<T>(
  { signal, deadlineMs }: Abortable & { deadlineMs: number },
  work: () => Promise<T>,
): Promise<T> {
  return await withDeadline((inner) => abortable(work(), inner), { signal, deadlineMs, what: ENDING });
}

/** The error must not claim a bug, and on a full disk it must say that the disk is full. */
function isUnclear(failure: Error, { kind }: StepAction, { fullCodes }: ScenarioWorld): boolean {
  if (!(failure instanceof AppError) || failure.code === BUG_CODE) return true;
  return kind === 'full' && !fullCodes.includes(failure.code);
}

/** The leftovers, as soon as they no longer become fewer. */
async function settledResidue({ lab, settleMs }: ScenarioWorld): Promise<string[]> {
  let left: string[] = [];
  const look = async (): Promise<true | undefined> => {
    left = await lab.residue();
    return left.length === 0 ? true : undefined;
  };
  const options = { everyMs: 50, deadlineMs: settleMs, what: 'all to be in order', signal: neverAborts() };
  await poll(look, options).catch(() => {});
  return left;
}

function toError(error: unknown): Error {
  const real = realErrorOf(error);
  return real instanceof Error ? real : new Error(String(real));
}

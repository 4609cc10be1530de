import { type Abortable, sleep } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import { plural } from '../../base/text/words.ts';
import type { FailedCheck, ReleaseProgram } from './release-program.ts';

/** `ms` that short requests, such as one `vm list` of a prompt, get to end. */
const SHORT_REQUESTS_MS = 3_000;
const EVERY_MS = 250;

/** What is true before the daemon changes. */
export interface Before {
  /** ids of the VMs that run; they must run afterwards too */
  vmIds: string[];
  /** checks that fail already, by name */
  failing: ReadonlySet<string>;
}

/**
 * Refuses an update that would cut work short: operations of the daemon, and commands and sessions that are
 * connected through it. With `isForced` it only says what will end.
 *
 * @throws {AppError} UPDATE_BUSY
 */
export async function requireNothingInFlight(
  program: ReleaseProgram,
  { isForced, warn, signal }: Abortable & { isForced: boolean; warn: (text: string) => void },
): Promise<void> {
  const { operations, sessions } = await inFlight(program, { signal });
  if (operations.length === 0 && sessions === 0) return;
  const parts = [
    ...(operations.length > 0 ? [`${plural(operations.length, 'operation')}: ${operations.join(', ')}`] : []),
    ...(sessions > 0 ? [`${plural(sessions, 'command or session', 'commands or sessions')} in VMs`] : []),
  ];
  if (isForced) {
    warn(`these end when the daemon changes: ${parts.join('; ')}`);
    return;
  }
  throw new AppError('UPDATE_BUSY', `Cannot update now: the daemon is busy with ${parts.join('; ')}`, {
    hint: 'wait for them (banger operations list), or end them with the update: banger update --force',
    details: { operations, sessions },
  });
}

async function inFlight(
  program: ReleaseProgram,
  { signal }: Abortable,
): Promise<{ operations: string[]; sessions: number }> {
  if (!(await program.runningDaemon({ signal }))) return { operations: [], sessions: 0 };
  const endsAt = performance.now() + SHORT_REQUESTS_MS;
  for (;;) {
    const operations = await program.operations({ signal });
    const count = (await program.runningDaemon({ signal }))?.activeRequestCount ?? 0;
    // An operation with a client is a request too.
    const sessions = Math.max(0, count - operations.length);
    if ((operations.length === 0 && sessions === 0) || performance.now() > endsAt) {
      return { operations, sessions };
    }
    await sleep(EVERY_MS, { signal });
  }
}

/**
 * Refuses a release that cannot read the records of this user. Says so when it will migrate them.
 *
 * @throws {AppError} UPDATE_RECORDS_INCOMPATIBLE
 */
export async function requireRecords(
  program: ReleaseProgram,
  { notice, signal }: Abortable & { notice: (text: string) => void },
): Promise<void> {
  const { outcome, text } = await program.checkRecords({ signal });
  if (outcome === 'migrates') notice(text);
  if (outcome !== 'incompatible') return;
  throw new AppError(
    'UPDATE_RECORDS_INCOMPATIBLE',
    `Cannot update: the new release cannot use the records of your VMs: ${text}`,
    { hint: 'nothing was changed; use a newer release' },
  );
}

/**
 * Refuses a release that could no longer restore suspended VMs or snapshots which the current one can. With
 * `isForced` it only lists them.
 *
 * @throws {AppError} UPDATE_LOSES_GUESTS
 */
export async function requireSavedGuests(
  { current, next }: { current: ReleaseProgram; next: ReleaseProgram },
  { isForced, warn, signal }: Abortable & { isForced: boolean; warn: (text: string) => void },
): Promise<void> {
  const unfit = await next.unfitGuests({ signal });
  if (unfit.length === 0) return;
  const already = new Set((await current.unfitGuests({ signal })).map(({ name }) => name));
  const lost = unfit.filter(({ name }) => !already.has(name));
  for (const { name, problem } of lost) warn(`would not resume after the update: ${name}: ${problem}`);
  if (lost.length === 0 || isForced) return;
  throw new AppError(
    'UPDATE_LOSES_GUESTS',
    `Cannot update: ${plural(lost.length, 'saved guest')} would not resume: ${lost.map(({ name }) => name).join(', ')}`,
    {
      hint: 'resume and stop them first, or keep only their disks: banger update --force',
      details: { guests: lost },
    },
  );
}

/** Looks at what must still be true after the update. Starts a daemon when none runs. */
export async function lookBefore(program: ReleaseProgram, { signal }: Abortable): Promise<Before> {
  const failing = (await program.failedChecks({ signal })).map(({ name }: FailedCheck) => name);
  // A daemon that does not start has no VMs to list.
  const vmIds = failing.includes('daemon') ? [] : await program.runningVmIds({ signal });
  return { vmIds, failing: new Set(failing) };
}

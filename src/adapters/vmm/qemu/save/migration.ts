import { type Abortable, neverAborts, poll } from '../../../../base/abort.ts';
import { AppError } from '../../../../base/errors.ts';
import { type QmpClient, unlessRefused } from '../qmp/qmp-client.ts';

/** What can be asked of one migration (QEMU's `MigrationCapability`); what is not named is off. */
export interface MigrationStyle {
  /** stop in state `pre-switchover` once the guest stands still, until told to go on */
  pausesAtSwitch?: boolean;
}

const POLL_MS = 1;
const STATE_DEADLINE_MS = 20_000;

/** A migration that has come to its end, or to where it waits for us (QEMU's `MigrationStatus`). */
const STILL_UNDER_WAY = new Set(['none', 'setup', 'active', 'device', 'cancelling', 'wait-unplug']);

/** Sets how the next migration of this QEMU goes. */
export async function setStyle(qmp: QmpClient, style: MigrationStyle, options: Abortable): Promise<void> {
  const capabilities = [{ capability: 'pause-before-switchover', state: style.pausesAtSwitch ?? false }];
  await qmp.execute('migrate-set-capabilities', { capabilities }, options);
}

/**
 * Makes a QEMU that was started for it read the device state from its file descriptor 0; the guest runs when
 * it has.
 */
export async function readState(qmp: QmpClient, options: Abortable): Promise<void> {
  await qmp.execute('migrate-incoming', { uri: 'fd:0' }, options);
}

/** `status` of QEMU's `MigrationInfo`; `none` when nothing was ever migrated. */
async function migrationStatus(qmp: QmpClient, options: Abortable): Promise<string> {
  const answer = await qmp.execute('query-migrate', {}, options);
  return typeof answer === 'object' && answer && 'status' in answer ? String(answer.status) : 'none';
}

/**
 * Waits until the migration is `wanted`.
 *
 * @throws {AppError} VMM_SAVE_FAILED when it comes to any other end; WAIT_TIMEOUT.
 */
export async function waitForMigration(
  qmp: QmpClient,
  wanted: 'active' | 'completed' | 'pre-switchover',
  { signal, deadlineMs }: Abortable & { deadlineMs: number },
): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    const status = await migrationStatus(qmp, { signal });
    if (status === wanted) return true;
    // It may take a moment to leave the state that it was told to leave.
    if (STILL_UNDER_WAY.has(status) || (wanted === 'completed' && status === 'pre-switchover'))
      return undefined;
    throw new AppError('VMM_SAVE_FAILED', `Cannot save the guest: its migration is "${status}"`);
  };
  await poll(look, { everyMs: POLL_MS, deadlineMs, what: 'the guest to be copied', signal });
}

/** Ends a migration that is under way; without one, nothing happens. */
export async function cancelMigration(qmp: QmpClient): Promise<void> {
  const options = { signal: neverAborts() };
  const isUnderWay = async (): Promise<boolean> => {
    const status = await migrationStatus(qmp, options);
    return status !== 'none' && (STILL_UNDER_WAY.has(status) || status === 'pre-switchover');
  };
  if (!(await isUnderWay())) return;
  await qmp.execute('migrate_cancel', {}, options);
  await endPause(qmp);
  const look = async (): Promise<true | undefined> => ((await isUnderWay()) ? undefined : true);
  await poll(look, {
    ...options,
    everyMs: POLL_MS,
    deadlineMs: STATE_DEADLINE_MS,
    what: 'a migration to end',
  });
}

/**
 * QEMU wakes a migration that it cancels from the pause before its switch. Before 10.0 it misses one that was
 * just about to pause, which would wait for ever, and its guest with it ("migration: Adjust locking in
 * migration_maybe_pause()").
 */
async function endPause(qmp: QmpClient): Promise<void> {
  const options = { signal: neverAborts() };
  // It may be cancelled already.
  await unlessRefused(qmp.execute('migrate-continue', { state: 'cancelling' }, options));
}

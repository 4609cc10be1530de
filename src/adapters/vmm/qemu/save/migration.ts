import { type Abortable, neverAborts, poll } from '../../../../base/abort.ts';
import { AppError } from '../../../../base/errors.ts';
import { type QmpClient, unlessRefused } from '../qmp/qmp-client.ts';

/** Options of one migration (QEMU's `MigrationCapability`); those not named are off. */
export interface MigrationStyle {
  /** stop in state `pre-switchover` once the guest is paused, until told to continue */
  pausesAtSwitch?: boolean;
}

const POLL_MS = 1;
const STATE_DEADLINE_MS = 20_000;

/** States in which a migration has neither ended nor paused for us (QEMU's `MigrationStatus`). */
const STILL_UNDER_WAY = new Set(['none', 'setup', 'active', 'device', 'cancelling', 'wait-unplug']);

/** Sets the options of this QEMU's next migration. */
export async function setStyle(qmp: QmpClient, style: MigrationStyle, options: Abortable): Promise<void> {
  const capabilities = [{ capability: 'pause-before-switchover', state: style.pausesAtSwitch ?? false }];
  await qmp.execute('migrate-set-capabilities', { capabilities }, options);
}

/**
 * Has a QEMU that was started for this read the device state from its file descriptor 0; then its guest runs.
 */
export async function readState(qmp: QmpClient, options: Abortable): Promise<void> {
  await qmp.execute('migrate-incoming', { uri: 'fd:0' }, options);
}

/** `status` of QEMU's `MigrationInfo`; `none` when there has been no migration. */
async function migrationStatus(qmp: QmpClient, options: Abortable): Promise<string> {
  const answer = await qmp.execute('query-migrate', {}, options);
  return typeof answer === 'object' && answer && 'status' in answer ? String(answer.status) : 'none';
}

/**
 * Waits until the migration has the status `wanted`.
 *
 * @throws {AppError} VMM_SAVE_FAILED when it ends in any other way; WAIT_TIMEOUT.
 */
export async function waitForMigration(
  qmp: QmpClient,
  wanted: 'active' | 'completed' | 'pre-switchover',
  { signal, deadlineMs }: Abortable & { deadlineMs: number },
): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    const status = await migrationStatus(qmp, { signal });
    if (status === wanted) return true;
    // After a command to leave a state, it may take a moment to do so.
    if (STILL_UNDER_WAY.has(status) || (wanted === 'completed' && status === 'pre-switchover'))
      return undefined;
    throw new AppError('VMM_SAVE_FAILED', `Cannot save the guest: its migration is "${status}"`);
  };
  await poll(look, { everyMs: POLL_MS, deadlineMs, what: 'the guest to be copied', signal });
}

/** Cancels a migration in progress; does nothing when there is none. */
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
 * When QEMU cancels a migration, it also wakes it from the pause before the switch. Before 10.0 it misses one
 * that is just about to pause: that migration, and its guest, would wait for ever ("migration: Adjust locking
 * in migration_maybe_pause()").
 */
async function endPause(qmp: QmpClient): Promise<void> {
  const options = { signal: neverAborts() };
  // It may already be cancelled.
  await unlessRefused(qmp.execute('migrate-continue', { state: 'cancelling' }, options));
}

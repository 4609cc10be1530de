import { dirname } from 'node:path';
import { type Abortable, neverAborts } from '../../../../base/abort.ts';
import { isAppError } from '../../../../base/errors.ts';
import { reportNoSpace, requireNotFull } from '../../../../base/files/no-space.ts';
import { ResourceStack } from '../../../../base/resource-stack.ts';
import type { CaptureRequest, SavedGuest } from '../../../../core/ports/vmm/saving.ts';
import type { VmSpec } from '../../../../core/ports/vmm/spec.ts';
import type { BlankDisks } from '../../blank-disks.ts';
import { connectNat } from '../launch/qemu-network.ts';
import type { QmpClient } from '../qmp/qmp-client.ts';
import { type DriveMirror, endStrayMirror, openMirror } from './drive-mirror.ts';
import { cancelMigration, setStyle, waitForMigration } from './migration.ts';
import { openMigrationTarget, type TargetOptions } from './migration-target.ts';
import { type GuestReceiver, type ReceiveOptions, receiveGuest } from './receive-guest.ts';

/** What saving stands on. */
export type SaveOptions = ReceiveOptions & TargetOptions;

/** Memory goes through a socket of this machine: as fast as it can, or hardly at all. In `bytes` a second. */
const BANDWIDTH = { most: 8e9, least: 1e6 };
const BEGIN_DEADLINE_MS = 20_000;
const COPY_DEADLINE_MS = 10 * 60_000;

/**
 * Stops the guest and writes it to `to`; the QEMU that ran it stands still afterwards and is to be ended.
 * After a failure or an abort the guest runs on and the files are gone.
 *
 * @throws {AppError} VMM_SAVE_FAILED, HOST_NO_SPACE.
 */
export async function saveGuest(
  qmp: QmpClient,
  { spec, to }: { spec: VmSpec; to: SavedGuest },
  options: SaveOptions,
): Promise<void> {
  const { signal } = options;
  await using undo = new ResourceStack();
  // Its connections end with this QEMU. What it is connected to is no part of what is saved, so it may go on
  // with NAT or without.
  if (spec.hasNat) undo.defer('connect the guest again', () => reconnect(qmp));
  await connectNat(qmp, false, { signal });
  const target = { what: 'the saved guest', dir: dirname(to.memoryPath) };
  await using receiver = await reportNoSpace(() => receiveGuest({ spec, to }, options), target);
  await using connection = await openMigrationTarget(qmp, receiver.socketPath, options);
  await reportNoSpace(async () => {
    await setStyle(qmp, {}, { signal });
    await limit(qmp, BANDWIDTH.most, { signal });
    undo.defer('let the guest run', () => goOn(qmp));
    await qmp.execute('stop', {}, { signal });
    await qmp.execute('migrate', { uri: connection.uri }, { signal });
    await migrated(qmp, 'completed', { receiver, signal });
    await receiver.finish({ signal });
  }, target);
  receiver.keep();
  undo.move();
}

/**
 * Copies the guest and its writable drives as of one moment; it runs on. After a failure or an abort it runs
 * on, and no file is left.
 *
 * @throws {AppError} VMM_SAVE_FAILED, HOST_NO_SPACE.
 */
export async function captureGuest(
  qmp: QmpClient,
  request: CaptureRequest,
  { blanks, ...options }: SaveOptions & { blanks: BlankDisks },
): Promise<{ pausedMs: number }> {
  const { signal } = options;
  const target = { what: 'the copy of the guest', dir: dirname(request.to.memoryPath) };
  await using receiver = await reportNoSpace(() => receiveGuest(request, options), target);
  await using mirror = await reportNoSpace(() => openMirror(qmp, request, { blanks, signal }), target);
  await using connection = await openMigrationTarget(qmp, receiver.socketPath, { ...options, signal });
  await using undo = new ResourceStack();
  undo.defer('let the guest run', () => goOn(qmp));
  const { uri } = connection;
  const pauses = await reportNoSpace(() => copyGuest(qmp, { receiver, mirror, uri, signal }), target);
  await mirror.close();
  // QEMU wrote the copies' last tables when it closed them, and does not say how that went.
  await requireNotFull(target);
  receiver.keep();
  mirror.keep();
  undo.move();
  return { pausedMs: Math.max(...pauses) };
}

/** Gives how long the guest stood still each time, in `ms`. */
async function copyGuest(
  qmp: QmpClient,
  {
    receiver,
    mirror,
    uri,
    signal,
  }: Abortable & { receiver: GuestReceiver; mirror: DriveMirror; uri: string },
): Promise<number[]> {
  const pauses = [await beginCopy(qmp, { uri, signal })];
  await migrated(qmp, 'pre-switchover', { receiver, signal });
  const pausedAt = performance.now();
  await mirror.cut({ signal });
  await qmp.execute('migrate-continue', { state: 'pre-switchover' }, { signal });
  await migrated(qmp, 'completed', { receiver, signal });
  await qmp.execute('cont', {}, { signal });
  pauses.push(performance.now() - pausedAt);
  await receiver.finish({ signal });
  return pauses;
}

/** Waits for that, and knows better than QEMU why it does not come. */
async function migrated(
  qmp: QmpClient,
  wanted: 'completed' | 'pre-switchover',
  { receiver, signal }: Abortable & { receiver: GuestReceiver },
): Promise<void> {
  try {
    await waitForMigration(qmp, wanted, { signal, deadlineMs: COPY_DEADLINE_MS });
  } catch (error) {
    throw (isAppError(error, 'VMM_SAVE_FAILED') && (await receiver.fault({ signal }))) || error;
  }
}

/**
 * Begins to copy the memory of a guest that runs, and gives the `ms` that it stood still for that.
 *
 * An emulated guest's writes are noted page by page, but QEMU before 9.0 forgets to look again at a page
 * whose note it has read, while a processor that has just written there goes on writing ("physmem: Fix
 * migration dirty bitmap coherency with TCG memory access"): the copy would lack those writes, and its guest
 * would crash sooner or later. So the notes are read twice only, and each time the guest stands still: at the
 * beginning, for which it is stopped here, and at the switch, which a downtime limit of 0 puts behind a
 * single pass over all of memory. What the guest writes meanwhile is copied at the switch.
 */
async function beginCopy(qmp: QmpClient, { uri, signal }: Abortable & { uri: string }): Promise<number> {
  await setStyle(qmp, { pausesAtSwitch: true }, { signal });
  // So little that the pass cannot be over before the guest runs again.
  await limit(qmp, BANDWIDTH.least, { signal });
  const pausedAt = performance.now();
  await qmp.execute('stop', {}, { signal });
  await qmp.execute('migrate', { uri }, { signal });
  await waitForMigration(qmp, 'active', { signal, deadlineMs: BEGIN_DEADLINE_MS });
  await qmp.execute('cont', {}, { signal });
  const pausedMs = performance.now() - pausedAt;
  await limit(qmp, BANDWIDTH.most, { signal });
  return pausedMs;
}

/**
 * Brings the guest of a QEMU whose daemon has died back to where it runs alone, whatever saving or copying it
 * was in the middle of; files are the caller's. Idempotent. A QEMU that ends meanwhile is no failure.
 *
 * @throws {AppError} VMM_REFUSED, WAIT_TIMEOUT.
 */
export async function takeOver(qmp: QmpClient): Promise<void> {
  await unlessLost(() => endStrayMirror(qmp));
  await goOn(qmp);
}

async function goOn(qmp: QmpClient): Promise<void> {
  await unlessLost(async () => {
    await cancelMigration(qmp);
    await qmp.execute('cont', {}, { signal: neverAborts() });
  });
}

async function reconnect(qmp: QmpClient): Promise<void> {
  await unlessLost(() => connectNat(qmp, true, { signal: neverAborts() }));
}

/** A QEMU that is gone has nothing to go on with; whoever watches it says so. */
async function unlessLost(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isAppError(error, 'VMM_LOST')) throw error;
  }
}

async function limit(qmp: QmpClient, maxBandwidth: number, options: Abortable): Promise<void> {
  await qmp.execute(
    'migrate-set-parameters',
    { 'max-bandwidth': maxBandwidth, 'downtime-limit': 0 },
    options,
  );
}

import { dirname } from 'node:path';
import { type Abortable, neverAborts } from '../../../../base/abort.ts';
import { isAppError } from '../../../../base/errors.ts';
import { reportNoSpace, requireNotFull } from '../../../../base/files/no-space.ts';
import { ResourceStack } from '../../../../base/resource-stack.ts';
import type { CaptureRequest, DriveCopies, SavedGuest } from '../../../../core/ports/vmm/saving.ts';
import type { VmSpec } from '../../../../core/ports/vmm/spec.ts';
import type { QmpClient } from '../qmp/qmp-client.ts';
import { type DriveMirror, endStrayMirror, type MirrorOptions, openMirror } from './drive-mirror.ts';
import { cancelMigration, setStyle, waitForMigration } from './migration.ts';
import { openMigrationTarget, type TargetOptions } from './migration-target.ts';
import { type GuestReceiver, type ReceiveOptions, receiveGuest } from './receive-guest.ts';

/** What saving a guest needs. */
export type SaveOptions = ReceiveOptions & TargetOptions;

/**
 * Bandwidth limits in `bytes` per second. Memory goes through a socket of this machine: either as fast as
 * possible, or almost not at all.
 */
const BANDWIDTH = { most: 8e9, least: 1e6 };
const BEGIN_DEADLINE_MS = 20_000;
const COPY_DEADLINE_MS = 10 * 60_000;

/**
 * Pauses the guest and writes it to `to`. Afterwards its QEMU stays paused, and the caller has to end it.
 * After a failure or an abort, the guest resumes and the files are deleted.
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
 * Copies the guest and its writable drives as of one moment; the guest keeps running. After a failure or an
 * abort it also keeps running, and no file is left.
 *
 * @throws {AppError} VMM_SAVE_FAILED, HOST_NO_SPACE.
 */
export async function captureGuest(
  qmp: QmpClient,
  request: CaptureRequest,
  { blanks, onCopied, ...options }: SaveOptions & Pick<MirrorOptions, 'blanks' | 'onCopied'>,
): Promise<{ pausedMs: number }> {
  const { signal } = options;
  const target = { what: 'the copy of the guest', dir: dirname(request.to.memoryPath) };
  await using receiver = await reportNoSpace(() => receiveGuest(request, options), target);
  await using mirror = await reportNoSpace(
    () => openMirror(qmp, request, { blanks, onCopied, signal }),
    target,
  );
  await using connection = await openMigrationTarget(qmp, receiver.socketPath, { ...options, signal });
  await using undo = new ResourceStack();
  undo.defer('let the guest run', () => goOn(qmp));
  const { uri } = connection;
  const pauses = await reportNoSpace(() => copyGuest(qmp, { receiver, mirror, uri, signal }), target);
  await mirror.close();
  // QEMU wrote the last tables of the copies when it closed them, and does not report whether that worked.
  await requireNotFull(target);
  receiver.keep();
  mirror.keep();
  undo.move();
  return { pausedMs: Math.max(...pauses) };
}

/**
 * Copies drives as of one moment; the guest keeps running. After a failure or an abort it also keeps running,
 * and no file is left.
 *
 * @throws {AppError} VMM_SAVE_FAILED, HOST_NO_SPACE.
 */
export async function copyDrives(
  qmp: QmpClient,
  request: DriveCopies,
  { signal, ...options }: MirrorOptions,
): Promise<{ pausedMs: number }> {
  const [first] = request.drives;
  if (!first) return { pausedMs: 0 };
  const target = { what: 'the copy of the drives', dir: dirname(first.pathOnHost) };
  await using mirror = await reportNoSpace(() => openMirror(qmp, request, { ...options, signal }), target);
  await using undo = new ResourceStack();
  undo.defer('let the guest run', () => goOn(qmp));
  const pausedAt = performance.now();
  await qmp.execute('stop', {}, { signal });
  await mirror.cut({ signal });
  await qmp.execute('cont', {}, { signal });
  const pausedMs = performance.now() - pausedAt;
  await mirror.close();
  // QEMU wrote the last tables of the copies when it closed them, and does not report whether that worked.
  await requireNotFull(target);
  mirror.keep();
  undo.move();
  return { pausedMs };
}

/** Returns how long the guest was paused each time, in `ms`. */
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

/** Waits for the end of the migration. When it fails, the receiver may know the cause better than QEMU. */
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
 * Starts copying the memory of a running guest; returns how long the guest was paused for that, in `ms`.
 *
 * QEMU marks the pages that an emulated guest writes. Before version 9.0 it loses writes: after it has read
 * the mark of a page, it does not look at that page again, while a processor that has just written there may
 * still be writing ("physmem: Fix migration dirty bitmap coherency with TCG memory access"). The copy would
 * lack these writes, and its guest would crash sooner or later. So the marks are read only twice, each time
 * with the guest paused: at the beginning, where this function pauses it, and at the switch. A downtime limit
 * of 0 places the switch after a single pass over all of memory; what the guest writes during the pass is
 * copied at the switch.
 */
async function beginCopy(qmp: QmpClient, { uri, signal }: Abortable & { uri: string }): Promise<number> {
  await setStyle(qmp, { pausesAtSwitch: true }, { signal });
  // So little that the pass cannot end before the guest runs again.
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
 * Adopts a QEMU whose daemon has died: ends whatever saving or copying was in progress, until the guest runs
 * alone. The caller deletes the files. Idempotent. Does not fail when QEMU ends meanwhile.
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

/** Nothing is left to resume in a QEMU that has ended; its watcher reports that. */
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

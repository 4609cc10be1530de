import { rm } from 'node:fs/promises';
import { type Abortable, neverAborts, poll } from '../../../../base/abort.ts';
import { AppError } from '../../../../base/errors.ts';
import { ResourceStack } from '../../../../base/resource-stack.ts';
import type { CopiedBytes, DriveCopies } from '../../../../core/ports/vmm/saving.ts';
import type { DriveSpec } from '../../../../core/ports/vmm/spec.ts';
import type { BlankDisks } from '../../blank-disks.ts';
import { nameBacking } from '../../qcow2-backing.ts';
import { baseNodeName } from '../launch/block-nodes.ts';
import { type QmpClient, unlessRefused } from '../qmp/qmp-client.ts';

/** Copies of a running guest's drives that follow every write until they are cut off. */
export interface DriveMirror extends AsyncDisposable {
  /** Makes the copies final as of now. The guest must be paused. */
  cut(options: Abortable): Promise<void>;
  /**
   * Closes the copies after {@link cut}; the guest may run. The files are then complete, though not
   * necessarily on disk, unless the disk is full.
   */
  close(): Promise<void>;
  /** Keeps the closed copies: disposing does nothing from now on. */
  keep(): void;
}

/** How drives are copied. */
export interface MirrorOptions extends Abortable {
  blanks: BlankDisks;
  /** called now and then while the copies are made, never for ones that are made at once */
  onCopied?: ((copied: CopiedBytes) => void) | undefined;
}

const POLL_MS = 1;
/** `ms` between two calls of `onCopied`. */
const TELL_EVERY_MS = 250;
/** A drive of many gigabytes takes a while to copy; the guest runs meanwhile. */
const COPY_DEADLINE_MS = 30 * 60_000;
const CUT_DEADLINE_MS = 10_000;

/** Prefix of our names inside QEMU. */
const PREFIX = 'copy-';

/**
 * Starts copying drives and returns when the copies are up to date. Disposing ends the copying and deletes
 * the copies, unless {@link DriveMirror.keep} was called.
 *
 * @throws {AppError} HOST_NO_SPACE, VMM_SAVE_FAILED, VMM_REFUSED.
 */
export async function openMirror(
  qmp: QmpClient,
  { spec, drives }: DriveCopies,
  { blanks, onCopied, signal }: MirrorOptions,
): Promise<DriveMirror> {
  await using undo = new ResourceStack();
  for (const { serial, pathOnHost } of drives) {
    const source = spec.drives.find((drive) => drive.serial === serial);
    const sizeBytes = source?.sizeBytes ?? 0;
    await blanks.copyTo({ kind: 'overlay', sizeBytes, target: pathOnHost }, { signal });
    undo.defer(`remove "${pathOnHost}"`, () => rm(pathOnHost, { force: true }));
    if (source?.base) await nameBacking(pathOnHost, source.base.pathOnHost);
    // Before the command, because an aborted command may still run.
    undo.defer('close the copy', () => removeNode(qmp, serial));
    await qmp.execute('blockdev-add', targetNode(serial, pathOnHost, source?.base), { signal });
    undo.defer('end the copying', () => endJob(qmp, serial));
    await qmp.execute('blockdev-mirror', mirrorJob(serial), { signal });
  }
  let toldAt = performance.now();
  const areReady = (jobs: readonly CopyJob[]): boolean => {
    if (performance.now() - toldAt >= TELL_EVERY_MS) {
      toldAt = performance.now();
      onCopied?.({ doneBytes: sumOf(jobs, 'doneBytes'), totalBytes: sumOf(jobs, 'totalBytes') });
    }
    return jobs.length === drives.length && jobs.every(({ isReady }) => isReady);
  };
  await waitForJobs(qmp, areReady, { deadlineMs: COPY_DEADLINE_MS, signal });
  const owned = undo.move();
  return {
    cut: async (options) => {
      for (const { serial } of drives) {
        await qmp.execute('block-job-cancel', { device: jobId(serial) }, options);
      }
      await waitForJobs(qmp, (jobs) => jobs.length === 0, { ...options, deadlineMs: CUT_DEADLINE_MS });
    },
    close: async () => {
      for (const { serial } of drives) await removeNode(qmp, serial);
    },
    keep: () => void owned.move(),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** Ends the mirror of a QEMU whose daemon has died; the caller deletes its files. Idempotent. */
export async function endStrayMirror(qmp: QmpClient): Promise<void> {
  for (const { id } of await ourJobs(qmp, { signal: neverAborts() }))
    await endJob(qmp, id.slice(PREFIX.length));
  for (const name of await ourNodes(qmp)) await removeNode(qmp, name.slice(PREFIX.length));
}

const FILE_SUFFIX = '-file';

function jobId(serial: string): string {
  return `${PREFIX}${serial}`;
}

/** The copy need not be on disk when the guest resumes: the caller that keeps it also syncs it. */
function targetNode(
  serial: DriveSpec['serial'],
  path: string,
  base: DriveSpec['base'],
): Record<string, unknown> {
  return {
    driver: 'qcow2',
    'node-name': jobId(serial),
    discard: 'unmap',
    'detect-zeroes': 'unmap',
    cache: { 'no-flush': true },
    backing: base ? baseNodeName(serial) : null,
    file: { driver: 'file', 'node-name': `${jobId(serial)}${FILE_SUFFIX}`, filename: path, discard: 'unmap' },
  };
}

function mirrorJob(serial: DriveSpec['serial']): Record<string, unknown> {
  return {
    'job-id': jobId(serial),
    device: serial,
    target: jobId(serial),
    // The copy has the same base.
    sync: 'top',
    // The job stays and reports what is wrong, instead of vanishing silently.
    'on-source-error': 'stop',
    'on-target-error': 'stop',
  };
}

async function endJob(qmp: QmpClient, serial: string): Promise<void> {
  const options = { signal: neverAborts() };
  const isThere = async (): Promise<boolean> =>
    (await ourJobs(qmp, options)).some(({ id }) => id === jobId(serial));
  if (!(await isThere())) return;
  // QEMU refuses to cancel a job that is just ending.
  await unlessRefused(qmp.execute('block-job-cancel', { device: jobId(serial), force: true }, options));
  const look = async (): Promise<true | undefined> => ((await isThere()) ? undefined : true);
  await poll(look, { ...options, everyMs: POLL_MS, deadlineMs: CUT_DEADLINE_MS, what: 'a copy to end' });
}

async function removeNode(qmp: QmpClient, serial: string): Promise<void> {
  const node = jobId(serial);
  if (!(await ourNodes(qmp)).includes(node)) return;
  await qmp.execute('blockdev-del', { 'node-name': node }, { signal: neverAborts() });
}

/** Names of the open copies; closing them also closes the files below them. */
async function ourNodes(qmp: QmpClient): Promise<string[]> {
  const nodes = await qmp.execute('query-named-block-nodes', { flat: true }, { signal: neverAborts() });
  return (Array.isArray(nodes) ? nodes : [])
    .map((node) => String((node as { 'node-name'?: unknown })['node-name']))
    .filter((name) => name.startsWith(PREFIX) && !name.endsWith(FILE_SUFFIX));
}

async function waitForJobs(
  qmp: QmpClient,
  isReached: (jobs: readonly CopyJob[]) => boolean,
  { signal, deadlineMs }: Abortable & { deadlineMs: number },
): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    const jobs = await ourJobs(qmp, { signal });
    const failed = jobs.find(({ ioStatus }) => ioStatus !== 'ok');
    if (failed) throw copyFailed(failed.ioStatus);
    return isReached(jobs) ? true : undefined;
  };
  await poll(look, { everyMs: POLL_MS, deadlineMs, what: 'the copies of the drives', signal });
}

function copyFailed(ioStatus: string): AppError {
  const isFull = ioStatus === 'nospace';
  return new AppError(
    isFull ? 'HOST_NO_SPACE' : 'VMM_SAVE_FAILED',
    `Cannot copy the drives: ${isFull ? 'no space left' : 'a read or write failed'}`,
    { hint: isFull ? 'free some space' : 'see the host kernel log' },
  );
}

interface CopyJob {
  id: string;
  isReady: boolean;
  doneBytes: number;
  /** QEMU's estimate: what has no data counts too, until QEMU comes to it */
  totalBytes: number;
  /** `ok`, `failed` or `nospace` (QEMU's `BlockDeviceIoStatus`) */
  ioStatus: string;
}

function sumOf(jobs: readonly CopyJob[], what: 'doneBytes' | 'totalBytes'): number {
  return jobs.reduce((sum, job) => sum + job[what], 0);
}

async function ourJobs(qmp: QmpClient, options: Abortable): Promise<CopyJob[]> {
  const answer = await qmp.execute('query-block-jobs', {}, options);
  const jobs = (Array.isArray(answer) ? answer : []) as Record<string, unknown>[];
  return jobs
    .filter(({ device }) => String(device).startsWith(PREFIX))
    .map((job) => ({
      id: String(job['device']),
      isReady: job['ready'] === true,
      doneBytes: Number(job['offset']) || 0,
      totalBytes: Number(job['len']) || 0,
      ioStatus: String(job['io-status']),
    }));
}

import type { Readable } from 'node:stream';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import { exec, LONG_WORK_DEADLINE_MS } from '../../../base/process/exec.ts';

/** A work disk to make. */
export interface DiskRequest {
  /** the program `banger-host` */
  hostTools: string;
  /** file to create */
  target: string;
  sizeBytes: number;
  /** of the file system, 32 hex digits */
  uuid: string;
  /** image whose `/root` comes first */
  rootfsPath: string;
  /** folder for the working tree, relative to the top */
  folder: string;
  tar: Readable;
  /** path in the guest of the working tree, when its git asks the agent which files have changed */
  watchedPath?: string;
  nowMs: number;
}

/**
 * Makes a work disk with `banger-host ext4` from a tar stream. Leaves nothing after a failure.
 *
 * @throws {AppError} WORKSPACE_BASE_FAILED with the program's own words as the cause; what the stream fails
 * with
 */
export async function makeDisk(request: DiskRequest, { signal }: Abortable): Promise<void> {
  const { hostTools, target, sizeBytes, uuid, rootfsPath, folder, tar, watchedPath, nowMs } = request;
  const made = String(Math.floor(nowMs / 1000));
  const options = ['--size', String(sizeBytes), '--uuid', uuid, '--made', made];
  const parts = ['--home', rootfsPath, '--folder', '/root', '--at', folder];
  try {
    const watched = watchedPath === undefined ? [] : ['--watched', watchedPath];
    await exec([hostTools, 'ext4', ...options, ...parts, ...watched, target], {
      signal,
      env: {},
      input: tar,
      deadlineMs: LONG_WORK_DEADLINE_MS,
    });
  } catch (error) {
    if (!isAppError(error, 'EXEC_FAILED', 'EXEC_NOT_FOUND')) throw error;
    throw new AppError('WORKSPACE_BASE_FAILED', 'Cannot make a work disk with the working tree in it', {
      hint: 'the working tree is copied through the guest instead; it only takes longer',
      cause: error,
    });
  }
}

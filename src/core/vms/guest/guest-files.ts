import type { Readable } from 'node:stream';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import type { GuestPath, Unpacked } from '../../../protocol/guest.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import { findRunningVm } from '../find-vm.ts';
import type { Vms } from '../world.ts';
import { AGENT_DEADLINES_MS } from './agent-deadlines.ts';

/** A path in the guest of a VM. */
export interface GuestFile extends Abortable {
  ref: string;
  path: string;
}

/**
 * What is at a path in a running guest, following symlinks.
 *
 * @throws {AppError} GUEST_PATH_NOT_FOUND; VM_NOT_FOUND, VM_NOT_RUNNING, REQUEST_INVALID for a path that is
 * not absolute, GUEST_*.
 */
export async function statInGuest(
  world: Pick<Vms, 'records' | 'live'>,
  { ref, path, signal }: GuestFile,
): Promise<GuestPath> {
  const agent = await agentFor(world, { ref, path, signal });
  return await named(path, () => agent.stat(path, { signal }));
}

/**
 * A file or directory of a running guest as a tar archive. With `as`, it is one entry of that name; with
 * `marksHoles`, sparse files are marked. Errors as {@link statInGuest}.
 */
export async function readFromGuest(
  world: Pick<Vms, 'records' | 'live'>,
  {
    ref,
    path,
    as,
    marksHoles = false,
    signal,
  }: GuestFile & { as?: string | undefined; marksHoles?: boolean },
): Promise<Readable> {
  const agent = await agentFor(world, { ref, path, signal });
  return await named(path, () =>
    agent.getTar(path, { signal, marksHoles, ...(as === undefined ? {} : { as }) }),
  );
}

/**
 * Unpacks a tar archive into a directory of a running guest, which is created when missing; all files belong
 * to root. Files unpacked before a failure stay. Errors as {@link statInGuest}.
 */
export async function writeToGuest(
  world: Pick<Vms, 'records' | 'live'>,
  { ref, path, tar, signal }: GuestFile & { tar: Readable },
): Promise<Unpacked> {
  const agent = await agentFor(world, { ref, path, signal });
  return await agent.putTar(path, tar, { signal });
}

async function agentFor(
  world: Pick<Vms, 'records' | 'live'>,
  { ref, path, signal }: GuestFile,
): Promise<GuestAgent> {
  if (!path.startsWith('/') || path.includes('\0')) {
    throw new AppError('REQUEST_INVALID', `Cannot use path ${JSON.stringify(path)}: it is not absolute`, {
      details: { field: 'path' },
    });
  }
  const { id } = findRunningVm(world.records, ref);
  return await world.live.agent(id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
}

/** Turns the agent's error for a missing path into GUEST_PATH_NOT_FOUND. */
async function named<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isAppError(error, 'GUEST_FAILED') || error.details?.['guestCode'] !== 'not_found') throw error;
    throw new AppError('GUEST_PATH_NOT_FOUND', `Cannot find "${path}" in the guest`, {
      hint: `to look: banger vm exec VM -- ls -la ${JSON.stringify(path.replace(/[^/]*\/?$/, '') || '/')}`,
      details: { path },
      cause: error,
    });
  }
}

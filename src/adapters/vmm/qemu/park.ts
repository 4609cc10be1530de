import { mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Abortable, poll } from '../../../base/abort.ts';
import { reportNoSpace } from '../../../base/no-space.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { SavedGuest, VmSpec } from '../../../core/ports/vmm.ts';
import { endProcess, findByArgument } from '../vmm-process.ts';
import { type LaunchedQemu, launchQemu, runState } from './launch.ts';
import { writeState } from './migration.ts';
import type { QemuHost } from './qemu-host.ts';
import { parkFiles, runtimeFiles } from './runtime-files.ts';

/** A QEMU whose guest never runs: it takes in a guest from another one, memory into a file, and writes down its state. */
export interface Park extends AsyncDisposable {
  /** where the other QEMU migrates to, memory and all */
  readonly migrationUri: string;
  /** Writes the state of the guest that was migrated in, and lets go of the files: disposing leaves them. */
  finish(options: Abortable): Promise<void>;
}

const ARRIVAL_DEADLINE_MS = 20_000;

/**
 * Starts one for a guest of `spec`, which is to be saved in `to`. Disposing ends it and removes the files, unless `finish` has succeeded.
 *
 * @throws {AppError} VMM_START_FAILED, HOST_NO_SPACE; errno `EEXIST` when there is such a file.
 */
export async function openPark(
  { spec, to }: { spec: VmSpec; to: SavedGuest },
  { host, env, signal }: Abortable & { host: QemuHost; env: NodeJS.ProcessEnv },
): Promise<Park> {
  const { dir, incomingSocket, stateSocket } = parkFiles(spec.runtimeDir);
  await using undo = new ResourceStack();
  await endStrayPark(spec.runtimeDir);
  await mkdir(dir, { mode: 0o700, recursive: true });
  undo.defer(`remove "${dir}"`, () => rm(dir, { recursive: true, force: true }));
  await reportNoSpace(() => makeMemoryFile(to.memoryPath, spec.memoryMib), {
    what: 'the file of the memory',
    dir: dirname(to.memoryPath),
  });
  let isKept = false;
  undo.defer(`remove "${to.memoryPath}"`, async () => {
    if (!isKept) await rm(to.memoryPath, { force: true });
  });
  const mode = { kind: 'park', memoryPath: to.memoryPath, migrationSocket: incomingSocket } as const;
  const parked = await launchQemu({ ...spec, runtimeDir: dir }, { host, env, mode, signal });
  undo.defer('end the parked VMM', () => endPark(parked));
  const owned = undo.move();
  return {
    migrationUri: `unix:${incomingSocket}`,
    finish: async (options) => {
      await arrival(parked, options);
      await writeState(parked.qmp, { statePath: to.statePath, socketPath: stateSocket, ...options });
      isKept = true;
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** Ends the parked QEMU of a VM that an earlier process left. Idempotent. */
export async function endStrayPark(runtimeDir: string): Promise<void> {
  const { dir } = parkFiles(runtimeDir);
  for (const vmm of await findByArgument('-pidfile', runtimeFiles(dir).pidFile)) {
    await endProcess(vmm, { graceMs: 0 });
  }
  await rm(dir, { recursive: true, force: true });
}

/** It has no drive of its own, so nothing is lost with it. */
async function endPark({ vmm, qmp }: LaunchedQemu): Promise<void> {
  await endProcess(vmm, { graceMs: 0 });
  qmp[Symbol.dispose]();
}

async function makeMemoryFile(path: string, memoryMib: number): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.truncate(memoryMib * 2 ** 20);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

async function arrival({ qmp }: LaunchedQemu, { signal }: Abortable): Promise<void> {
  const look = async (): Promise<true | undefined> =>
    (await runState(qmp, { signal })) === 'inmigrate' ? undefined : true;
  await poll(look, { everyMs: 1, deadlineMs: ARRIVAL_DEADLINE_MS, what: 'the guest to arrive', signal });
}

import { link, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, isAppError, isErrno } from '../../../../base/errors.ts';
import { bytePath } from '../../byte-path.ts';
import { textOf } from '../../workspace-work.ts';
import { isSameStamp, lookAt } from '../merge/host-side.ts';
import { digestOfFile } from './file-digest.ts';
import { contentsDir, type JournalStep, type PullJournal } from './pull-journal.ts';
import { SafeFolders } from './safe-folders.ts';

/** Awaited before each change of a file; tests stop there, as a kill would. */
export type BeforeStep = (step: number) => Promise<void>;

/**
 * Carries out a pull from wherever it is. Idempotent. Stops at the first file that is neither as it was
 * before nor as it will be.
 *
 * @throws {AppError} WORKSPACE_PULL_STALE; also errors of the file system. The caller then takes it back.
 */
export async function carryOut(pull: PullJournal, beforeStep?: BeforeStep): Promise<void> {
  using folders = SafeFolders.open(pull.root);
  for (const [at, step] of pull.steps.entries()) {
    await beforeStep?.(at);
    if (step.after) await put(pull, { at, step, folders });
    else await remove(pull, { at, step, folders });
  }
  await beforeStep?.(pull.steps.length);
}

/**
 * Takes a pull back, from wherever it is. Idempotent. A file that was changed since stays; returns the paths
 * of those.
 */
export async function takeBack(pull: PullJournal, beforeStep?: BeforeStep): Promise<string[]> {
  using folders = SafeFolders.open(pull.root);
  const left: string[] = [];
  const undo = async ([at, step]: [number, JournalStep]): Promise<void> => {
    await beforeStep?.(at);
    const isBack = await restore(pull, { at, step, folders });
    if (!isBack) left.push(textOf(step.path));
  };
  const steps = [...pull.steps.entries()].reverse();
  for (const each of steps) if (each[1].after) await undo(each);
  // A file may have been where a folder is now.
  for (const folder of pull.newFolders.toReversed()) await folders.removeFolder(folder);
  for (const each of steps) if (!each[1].after) await undo(each);
  return left;
}

/** Those paths of a pull that were changed since it was carried out. */
export async function changedSince(pull: PullJournal): Promise<string[]> {
  using folders = SafeFolders.open(pull.root);
  const changed: string[] = [];
  for (const step of pull.steps) {
    if (!(await isAsPulled(pull, step, folders))) changed.push(textOf(step.path));
  }
  return changed;
}

async function isAsPulled(
  { newFolders }: PullJournal,
  { path, after }: JournalStep,
  folders: SafeFolders,
): Promise<boolean> {
  let place: Buffer | undefined;
  try {
    place = await folders.place(path);
  } catch (error) {
    if (!isAppError(error, 'WORKSPACE_PULL_STALE')) throw error;
    // A pulled file may be where a folder was; it has a step of its own.
    return after === undefined;
  }
  if (after) return place !== undefined && (await isAfter(place, after));
  const now = place && (await lookAt(place));
  return now === undefined || (now.kind === 'folder' && newFolders.includes(path));
}

interface At {
  at: number;
  step: JournalStep;
  folders: SafeFolders;
}

async function put(pull: PullJournal, { at, step, folders }: At): Promise<void> {
  const source = newPath(pull, step);
  const ready = await lookAt(source);
  if (!ready) return;
  const place = await folders.place(step.path, { makes: pull.folderMode });
  if (!place) throw stale(step);
  const old = oldPath(pull, at);
  const kept = await lookAt(old);
  const now = await lookAt(place);
  if (now?.stamp.ino === ready.stamp.ino && now.kind === ready.kind) return await unlink(source);
  if (!step.before) {
    if (now) throw stale(step);
    await moveNew(source, place, step);
    return;
  }
  // The old file has two names until the new one replaces it, so there is no moment without a file.
  if (now && !isSameStamp(now.stamp, step.before)) throw stale(step);
  if (!now && !kept) throw stale(step);
  if (now && !kept) await keepOld(place, old);
  await rename(source, place);
}

/** Moves a new file to where none is, and never over one. */
async function moveNew(source: Buffer, place: Buffer, step: JournalStep): Promise<void> {
  try {
    await link(source, place);
    await unlink(source);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) throw stale(step);
    if (!isErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error;
    await rename(source, place);
  }
}

async function keepOld(place: Buffer, old: Buffer): Promise<void> {
  try {
    await link(place, old);
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) throw error;
    await rename(place, old);
  }
}

async function remove(pull: PullJournal, { at, step, folders }: At): Promise<void> {
  const old = oldPath(pull, at);
  if (!(await lookAt(old))) {
    const place = await folders.place(step.path);
    const now = place && (await lookAt(place));
    if (!place || !now || !isSameStamp(now.stamp, step.before)) throw stale(step);
    await rename(place, old);
  }
  const end = step.path.lastIndexOf('/');
  if (end > 0) await folders.removeEmpty(step.path.slice(0, end));
}

async function restore(pull: PullJournal, { at, step, folders }: At): Promise<boolean> {
  const old = oldPath(pull, at);
  const kept = await lookAt(old);
  let place: Buffer | undefined;
  try {
    place = await folders.place(step.path, kept ? { makes: pull.folderMode } : {});
  } catch (error) {
    if (!isAppError(error, 'WORKSPACE_PULL_STALE')) throw error;
    // What was added below a folder is gone when the file is back that was there.
    return !kept;
  }
  const now = place && (await lookAt(place));
  const waiting = step.after && (await lookAt(newPath(pull, step)));
  if (!kept) {
    if (!step.after || step.before || !place || !now || now.kind === 'folder') return true;
    // A file that the pull has added.
    if (waiting && now.stamp.ino !== waiting.stamp.ino) return true;
    if (!(await isAfter(place, step.after))) return false;
    await unlink(place);
    return true;
  }
  if (!place) return false;
  if (now?.stamp.ino === kept.stamp.ino && now.kind === kept.kind) {
    await unlink(old);
    return true;
  }
  if (now && !(step.after && (await isAfter(place, step.after)))) return false;
  if (now) await rename(old, place);
  else await moveNew(old, place, step);
  return true;
}

/** Whether a file is what a pull has written, even if it was copied or touched since. */
async function isAfter(place: Buffer, after: NonNullable<JournalStep['after']>): Promise<boolean> {
  const now = await lookAt(place);
  if (!now || (now.kind !== 'file' && now.kind !== 'link')) return false;
  if (isSameStamp(now.stamp, after)) return true;
  if (now.stamp.sizeBytes !== after.sizeBytes) return false;
  return (await digestOfFile(place, now.kind)) === after.digest;
}

function newPath(pull: PullJournal, { path }: JournalStep): Buffer {
  return bytePath(join(contentsDir(pull), 'new'), path);
}

function oldPath(pull: PullJournal, at: number): Buffer {
  return bytePath(join(contentsDir(pull), 'old'), String(at));
}

function stale({ path }: JournalStep): AppError {
  return new AppError(
    'WORKSPACE_PULL_STALE',
    `Cannot write "${textOf(path)}": it was changed on this host meanwhile`,
    { hint: 'pull again', details: { paths: [textOf(path)] } },
  );
}

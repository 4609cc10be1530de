import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError, isErrno } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files/atomic-file.ts';
import { type DropIn, isOwnFile } from './resolvers.ts';

/** What was done to a file, or with `isDryRun` would be. */
export interface DropInChange {
  path: string;
  change: 'written' | 'replaced' | 'unchanged' | 'removed' | 'absent';
}

/** How files are changed. */
export interface ChangeOptions {
  isDryRun: boolean;
  /** the line for a shell that does the same as root */
  asRoot: string;
}

/**
 * Writes the files; changes none when one of them cannot be ours. Idempotent. Changes no other file.
 *
 * @throws {AppError} DNS_FILE_FOREIGN, DNS_NEEDS_ROOT.
 */
export async function writeDropIns(
  dropIns: readonly DropIn[],
  { isDryRun, asRoot }: ChangeOptions,
): Promise<DropInChange[]> {
  const planned = dropIns.map((dropIn) => ({ ...dropIn, now: ownContent(dropIn.path, asRoot) }));
  const changes: DropInChange[] = [];
  for (const { path, content, now } of planned) {
    const change = now === undefined ? 'written' : now === content ? 'unchanged' : 'replaced';
    if (change !== 'unchanged' && !isDryRun) {
      await withRights({ path, asRoot }, async () => {
        await mkdir(dirname(path), { recursive: true, mode: 0o755 });
        await writeFileAtomic(path, content, { mode: 0o644 });
      });
    }
    changes.push({ path, change });
  }
  return changes;
}

/**
 * Removes those of the files that exist; removes none when one of them is not ours. Idempotent. Folders stay.
 *
 * @throws {AppError} DNS_FILE_FOREIGN, DNS_NEEDS_ROOT.
 */
export async function removeDropIns(
  paths: readonly string[],
  { isDryRun, asRoot }: ChangeOptions,
): Promise<DropInChange[]> {
  const planned = paths.map((path) => ({ path, now: ownContent(path, asRoot) }));
  const changes: DropInChange[] = [];
  for (const { path, now } of planned) {
    if (now !== undefined && !isDryRun) await withRights({ path, asRoot }, () => rm(path));
    changes.push({ path, change: now === undefined ? 'absent' : 'removed' });
  }
  return changes;
}

/** The content of a file that we have written; `undefined` when there is no file. */
function ownContent(path: string, asRoot: string): string | undefined {
  try {
    const stat = lstatSync(path);
    const content = stat.isFile() ? readFileSync(path, 'utf8') : '';
    if (isOwnFile(content)) return content;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    if (isErrno(error, 'EACCES', 'EPERM')) throw needsRoot({ path, asRoot }, error);
    throw error;
  }
  throw new AppError('DNS_FILE_FOREIGN', `Cannot change "${path}": banger has not written it`, {
    hint: 'look at it, and move it away if it is not needed',
    details: { path },
  });
}

interface Change {
  path: string;
  asRoot: string;
}

async function withRights(change: Change, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS')) throw error;
    throw needsRoot(change, error);
  }
}

function needsRoot({ path, asRoot }: Change, cause: Error): AppError {
  return new AppError('DNS_NEEDS_ROOT', `Cannot change "${path}": this user may not`, {
    hint: asRoot,
    details: { path },
    cause,
  });
}

/** True when one of the files exists. */
export function hasAny(dropIns: readonly DropIn[]): boolean {
  return dropIns.some(({ path }) => existsSync(path));
}

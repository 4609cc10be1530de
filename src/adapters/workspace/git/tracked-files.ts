import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isErrno } from '../../../base/errors.ts';
import { bytePath } from '../byte-path.ts';
import { GUEST_STAT_RULES } from '../guest-config.ts';
import { allEnded } from '../task-group.ts';
import type { IndexListing } from './index-listing.ts';
import { nulList } from './nul-list.ts';
import type { StagedRepository } from './staged-repository.ts';

/**
 * Lists the files that differ from the index. Of a submodule only its HEAD counts: to see more, git would run
 * in it, with the filters that its own settings name.
 */
export const RAW_DIFF = ['diff-files', '--raw', '-z', '--no-renames', '--ignore-submodules=dirty'];

/** Concurrent lookups; Node has four threads for them. */
const LOOKUPS_AT_ONCE = 64;

/** The tracked files as they are on disk. Paths are latin1. */
export interface TrackedFiles {
  /** those that exist as something that tar can store, each ended by NUL */
  present: Buffer;
  /** those of `present` that differ from their index entry, or are in conflict; some twice */
  changed: readonly string[];
  /** those that do not exist, although git expects them to */
  deleted: readonly string[];
  /** those of `present` that git was told not to compare with the disk */
  uncheckedPresent: readonly string[];
  /** tracked paths that are not on disk, as git was told */
  uncheckedAbsent: readonly string[];
  /** tracked paths with a filter, which neither we nor, in general, the guest run */
  filtered: readonly string[];
}

/**
 * Looks up the tracked files. The index must be refreshed: only the files that git then reports as different,
 * or does not check, are looked up one by one.
 */
export async function listPresentFiles(
  staged: StagedRepository,
  options: Abortable & { root: string; listing: IndexListing; filtered: readonly string[] },
): Promise<TrackedFiles> {
  const { root, listing, filtered, signal } = options;
  const { stdout } = await staged.git.run(RAW_DIFF, { signal });
  const { deleted, changed } = parseRawDiff(stdout);
  const [absent] = await allEnded([
    findAbsent(root, [...listing.unchecked, ...changed.map(({ path }) => path)], { listing, signal }),
    forgetLookalikes(staged, changed, { signal }),
  ]);
  for (const path of deleted) absent.add(path);
  const present = absent.size === 0 ? listing.paths : listing.paths.filter((path) => !absent.has(path));
  const differing = changed.map(({ path }) => path);
  const unmerged = new Set(listing.unmerged);
  const flagged = listing.unchecked.filter((path) => !unmerged.has(path));
  return {
    present: Buffer.from(nulList(present), 'latin1'),
    changed: differing.filter((path) => !absent.has(path)),
    deleted: [...deleted, ...differing.filter((path) => absent.has(path))],
    uncheckedPresent: flagged.filter((path) => !absent.has(path)),
    uncheckedAbsent: flagged.filter((path) => absent.has(path)),
    filtered,
  };
}

/**
 * Those of the untracked `paths` that tar can store, each ended by NUL. Excludes repositories inside this
 * one.
 */
export async function listPresentUntracked(
  paths: readonly string[],
  { root, signal }: Abortable & { root: string },
): Promise<Buffer> {
  const files = paths.filter((path) => !path.endsWith('/'));
  const absent = await findAbsent(root, files, { listing: { gitlinks: [] }, signal });
  const present = files.filter((path) => !absent.has(path));
  return Buffer.from(nulList(present), 'latin1');
}

/** A file that differs from its index entry, and the entry's content. */
export interface ChangedFile {
  path: string;
  mode: string;
  /** of the file, as far as git looks at it */
  modeNow: string;
  object: string;
}

/**
 * Makes the guest's git read changed files whose size and time match their index entry. The host detects
 * these changes by attributes that are not sent (change time, inode). Clears size and time of their entries
 * in the staged index.
 */
async function forgetLookalikes(
  staged: StagedRepository,
  changed: readonly ChangedFile[],
  { signal }: Abortable,
): Promise<void> {
  if (changed.length === 0) return;
  const { stdout } = await staged.git.run(
    [...GUEST_STAT_RULES.flatMap(({ key, value }) => ['-c', `${key}=${value}`]), ...RAW_DIFF],
    { signal },
  );
  const seen = new Set(parseRawDiff(stdout).changed.map(({ path }) => path));
  const lookalikes = changed.filter(({ path }) => !seen.has(path));
  if (lookalikes.length === 0) return;
  const entries = lookalikes.map(({ path, mode, object }) => `${mode} ${object} 0\t${path}\0`).join('');
  await staged.git.run(['update-index', '-z', '--index-info'], {
    input: Buffer.from(entries, 'latin1'),
    signal,
  });
}

/**
 * Parses `git diff-files --raw -z` without renames (git-diff(1), "raw output format"):
 *
 *     ':' mode SP mode SP object SP object SP status NUL path NUL
 */
export function parseRawDiff(output: Buffer): { deleted: string[]; changed: ChangedFile[] } {
  const fields = output.toString('latin1').split('\0');
  const deleted: string[] = [];
  const changed: ChangedFile[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [mode = '', modeNow = '', object = '', , status] = (fields[at] ?? '').slice(1).split(' ');
    const path = fields[at + 1] ?? '';
    if (status === 'D') deleted.push(path);
    else changed.push({ path, mode, modeNow, object });
  }
  return { deleted, changed };
}

/**
 * Those of `paths` that are not a file, link or fifo, or whose parent is a link: what is behind a link is not
 * the tracked file, and a folder in a file's place contains only untracked ones, unless it is a submodule.
 */
export async function findAbsent(
  root: string,
  paths: readonly string[],
  { listing, signal }: Abortable & { listing: Pick<IndexListing, 'gitlinks'> },
): Promise<Set<string>> {
  const gitlinks = new Set(listing.gitlinks);
  const folders = new Map<string, Promise<boolean>>();
  const isRealFolder = (path: string): Promise<boolean> => {
    if (path === '') return Promise.resolve(true);
    const known = folders.get(path);
    if (known) return known;
    const answer = isRealFolder(parentOf(path)).then(
      async (isParentReal) => isParentReal && ((await lookUp(root, path))?.isDirectory() ?? false),
    );
    folders.set(path, answer);
    return answer;
  };
  const isPresent = async (path: string): Promise<boolean> => {
    if (!(await isRealFolder(parentOf(path)))) return false;
    const found = await lookUp(root, path);
    if (found?.isDirectory()) return gitlinks.has(path);
    return found !== undefined && (found.isFile() || found.isSymbolicLink() || found.isFIFO());
  };
  const absent = new Set<string>();
  for (let at = 0; at < paths.length; at += LOOKUPS_AT_ONCE) {
    signal.throwIfAborted();
    const batch = paths.slice(at, at + LOOKUPS_AT_ONCE);
    const answers = await Promise.all(batch.map(isPresent));
    for (const [index, path] of batch.entries()) if (!answers[index]) absent.add(path);
  }
  return absent;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

async function lookUp(root: string, path: string): Promise<Stats | undefined> {
  const bytes = bytePath(root, path);
  try {
    return await lstat(bytes);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG')) return undefined;
    if (!isErrno(error, 'EACCES')) throw error;
    throw new AppError('WORKSPACE_FILE_UNREADABLE', `Cannot send "${bytes}": its folder is not readable`, {
      hint: 'make the folder readable for you (chmod u+rx), or stop git from tracking the file',
      cause: error,
    });
  }
}

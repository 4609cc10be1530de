import { lstat, mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError, isErrno } from '../../../base/errors.ts';
import { plural } from '../../../base/text/words.ts';
import { readLastBytes, readSmallFile } from '../small-file.ts';

/**
 * Files that git keeps for an operation that waits for the user: a merge, cherry-pick, revert, rebase or
 * bisect.
 */
const FILES = [
  ...['MERGE_HEAD', 'MERGE_MODE', 'MERGE_MSG', 'SQUASH_MSG', 'AUTO_MERGE', 'MERGE_AUTOSTASH'],
  ...['CHERRY_PICK_HEAD', 'REVERT_HEAD', 'REBASE_HEAD'],
  ...['BISECT_START', 'BISECT_LOG', 'BISECT_NAMES', 'BISECT_TERMS', 'BISECT_EXPECTED_REV'],
  ...['BISECT_ANCESTORS_OK', 'BISECT_FIRST_PARENT'],
];
/**
 * Limits for an unfinished operation; a rebase of a thousand large commits stays far below. The repository
 * may come from others, and all of these files are read into memory and copied.
 */
const MAX_FILES = 20_000;
const MAX_STATE_BYTES = 64 * 1024 * 1024;

/** Most object names that are looked up. */
const MAX_MENTIONED = 100_000;

const FOLDERS = ['rebase-merge', 'rebase-apply', 'sequencer'];

/** Those that name commits or trees, which git then needs to continue. */
const NAME_OBJECTS =
  /(^|\/)([A-Z_]+_HEAD|AUTO_MERGE|MERGE_AUTOSTASH|onto|orig-head|autostash|stopped-sha|squash-onto|head|todo|done|git-rebase-todo|original-commit)$/;

/** The state of an unfinished operation, and the origin of a detached HEAD. */
export interface OperationState {
  /** files of `.git`, by their names in it */
  files: ReadonlyMap<string, Buffer>;
  /** the object names in them, full or abbreviated; some may not be objects */
  mentioned: readonly string[];
}

/** Reads it from a git folder. @throws {AppError} WORKSPACE_FILE_TOO_LARGE */
export async function readOperationState(
  gitDir: string,
  { isDetached }: { isDetached: boolean },
): Promise<OperationState> {
  const names = [...FILES];
  for (const folder of FOLDERS) {
    names.push(...(await listFolder(join(gitDir, folder))).map((name) => `${folder}/${name}`));
  }
  if (names.length > MAX_FILES) throw tooMuch(gitDir, plural(names.length, 'file'));
  const files = new Map<string, Buffer>();
  const mentioned = new Set<string>();
  const last = isDetached ? await readLastSwitch(gitDir) : undefined;
  if (last) {
    files.set(HEAD_LOG, last.line);
    mentioned.add(last.to);
  }
  let bytes = 0;
  for (const name of names) {
    const content = await readSmallFile(join(gitDir, name), { followLink: false });
    if (!content) continue;
    bytes += content.length;
    if (bytes > MAX_STATE_BYTES) throw tooMuch(gitDir, `more than ${MAX_STATE_BYTES} bytes`);
    files.set(name, content);
    if (!NAME_OBJECTS.test(name)) continue;
    for (const [word] of content.toString('latin1').matchAll(/\b[0-9a-f]{7,64}\b/g)) {
      mentioned.add(word);
      if (mentioned.size > MAX_MENTIONED) {
        throw tooMuch(gitDir, `the names of more than ${MAX_MENTIONED} objects`);
      }
    }
  }
  return { files, mentioned: [...mentioned] };
}

/** Writes it to another git folder. */
export async function writeOperationState({ files }: OperationState, gitDir: string): Promise<void> {
  for (const [name, content] of files) {
    await mkdir(dirname(join(gitDir, name)), { recursive: true });
    await writeFile(join(gitDir, name), content);
  }
}

function tooMuch(gitDir: string, what: string): AppError {
  return new AppError(
    'WORKSPACE_FILE_TOO_LARGE',
    `Cannot send the unfinished operation in "${gitDir}": it has ${what}`,
    { hint: 'finish or abort it, for example with git rebase --abort' },
  );
}

const HEAD_LOG = 'logs/HEAD';

/**
 * The newest line of HEAD's log that records a checkout, and the commit that it leads to; `git status` takes
 * the origin of a detached HEAD from it. The new commit stands in the place of the old one, which may no
 * longer exist.
 */
async function readLastSwitch(gitDir: string): Promise<{ line: Buffer; to: string } | undefined> {
  const log = await readLastBytes(join(gitDir, HEAD_LOG), { bytes: 256 * 1024 });
  const last = log
    ?.toString('latin1')
    .split('\n')
    .findLast((line) => SWITCH.test(line));
  const [, to, rest] = SWITCH.exec(last ?? '') ?? [];
  if (to === undefined || rest === undefined) return undefined;
  return { line: Buffer.from(`${to} ${to} ${rest}\n`, 'latin1'), to };
}

/** A line of a log: old commit, new commit, who and when, and why. */
const SWITCH = /^[0-9a-f]{40,64} ([0-9a-f]{40,64}) ([^\t]*\tcheckout: moving from .*)$/;

/**
 * The names in a folder; empty when it is missing or a link, which could lead anywhere in a repository from
 * others.
 */
async function listFolder(path: string): Promise<string[]> {
  try {
    return (await lstat(path)).isDirectory() ? await readdir(path) : [];
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

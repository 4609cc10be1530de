import { lstat, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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

/**
 * Copies the state of an unfinished operation, and the origin of a detached HEAD, from one git folder to
 * another. Returns the object names in it, full or abbreviated; some may not be objects.
 *
 * @throws {AppError} WORKSPACE_FILE_TOO_LARGE
 */
export async function copyOperationState(
  fromGitDir: string,
  toGitDir: string,
  { isDetached }: { isDetached: boolean },
): Promise<string[]> {
  const names = [...FILES];
  for (const folder of FOLDERS) {
    const inside = await listFolder(join(fromGitDir, folder));
    if (inside.length > 0) await mkdir(join(toGitDir, folder));
    names.push(...inside.map((name) => `${folder}/${name}`));
  }
  if (names.length > MAX_FILES) throw tooMuch(fromGitDir, plural(names.length, 'file'));
  const mentioned = new Set(isDetached ? await copyLastSwitch(fromGitDir, toGitDir) : []);
  let bytes = 0;
  for (const name of names) {
    const content = await readSmallFile(join(fromGitDir, name), { followLink: false });
    if (!content) continue;
    bytes += content.length;
    if (bytes > MAX_STATE_BYTES) throw tooMuch(fromGitDir, `more than ${MAX_STATE_BYTES} bytes`);
    await writeFile(join(toGitDir, name), content);
    if (!NAME_OBJECTS.test(name)) continue;
    for (const [word] of content.toString('latin1').matchAll(/\b[0-9a-f]{7,64}\b/g)) {
      mentioned.add(word);
      if (mentioned.size > MAX_MENTIONED) {
        throw tooMuch(fromGitDir, `the names of more than ${MAX_MENTIONED} objects`);
      }
    }
  }
  return [...mentioned];
}

function tooMuch(gitDir: string, what: string): AppError {
  return new AppError(
    'WORKSPACE_FILE_TOO_LARGE',
    `Cannot send the unfinished operation in "${gitDir}": it has ${what}`,
    { hint: 'finish or abort it, for example with git rebase --abort' },
  );
}

/**
 * Copies the newest line of HEAD's log that records a checkout; `git status` takes the origin of a detached
 * HEAD from it. Replaces its old commit, which may no longer exist, by the new one, and returns that.
 */
async function copyLastSwitch(fromGitDir: string, toGitDir: string): Promise<string[]> {
  const log = await readLastBytes(join(fromGitDir, 'logs/HEAD'), { bytes: 256 * 1024 });
  const last = log
    ?.toString('latin1')
    .split('\n')
    .findLast((line) => SWITCH.test(line));
  const [, to, rest] = SWITCH.exec(last ?? '') ?? [];
  if (to === undefined || rest === undefined) return [];
  await mkdir(join(toGitDir, 'logs'));
  await writeFile(join(toGitDir, 'logs/HEAD'), `${to} ${to} ${rest}\n`, 'latin1');
  return [to];
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

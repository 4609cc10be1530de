import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Abortable } from '../../../base/abort.ts';
import { isErrno } from '../../../base/errors.ts';
import { readConfigFiles, SHALLOW, shallowFile } from '../config-files.ts';
import type { Git } from '../git/git-command.ts';
import { looseObject } from '../git/loose-object.ts';
import { readOperationState } from '../git/operation-state.ts';
import type { StagedRepository } from '../git/staged-repository.ts';
import { allEnded } from '../task-group.ts';
import type { KeptFacts } from './kept-facts.ts';

/** The blob names of the small files of a guest's `.git`, by their path in it. */
export type GitFileNames = KeptFacts['gitFiles'];

/** Parts of a `.git` that are not sent as files of their own, or that the guest's git appends to. */
const NOT_SMALL = /^(HEAD|index|sharedindex\..*|packed-refs|refs|objects|logs)$/;

/** The small files of a staged `.git`. */
export async function smallGitFiles(staged: StagedRepository): Promise<GitFileNames> {
  const files: Record<string, string> = {};
  for (const top of await readdir(staged.gitDir)) {
    if (NOT_SMALL.test(top)) continue;
    const path = join(staged.gitDir, top);
    for (const name of await filesAt(path)) {
      const content = await readFile(join(path, name));
      files[name === '' ? top : `${top}/${name}`] = looseObject('blob', content, staged).name;
    }
  }
  return files;
}

/**
 * Whether a `.git` that is staged now would have the same small files as the one that was sent: settings,
 * ignore rules, attributes, where history ends, an unfinished operation.
 *
 * @throws {AppError} as `readConfigFiles` and `readOperationState`
 */
export async function areGitFilesAsSent(
  kept: KeptFacts,
  { git, userGitDir, signal }: Abortable & { git: Git; userGitDir: string },
): Promise<boolean> {
  const { root, commonDir, userGitDir: gitDir, commit, cutAt } = kept;
  if (gitDir === undefined) return false;
  const objectFormat = commit.length === 64 ? 'sha256' : 'sha1';
  const repository = { root, name: '', gitDir, commonDir, objectFormat, git };
  const [{ files }, operation] = await allEnded([
    readConfigFiles(repository, { userGitDir, signal }),
    readOperationState(gitDir, { isDetached: kept.head.ref === undefined }),
  ]);
  const shallow = shallowFile(files.get(SHALLOW), cutAt);
  if (shallow) files.set(SHALLOW, shallow);
  const nullObject = '0'.repeat(commit.length);
  const names: Record<string, string> = {};
  for (const [name, content] of [...files, ...operation.files]) {
    if (NOT_SMALL.test(name.split('/', 1)[0] ?? '')) continue;
    names[name] = looseObject('blob', content, { nullObject }).name;
  }
  return isDeepStrictEqual(names, kept.gitFiles);
}

/** Names of the files at `path`, relative to it; the empty name when it is a file itself. */
async function filesAt(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true, recursive: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1));
  } catch (error) {
    if (isErrno(error, 'ENOTDIR')) return [''];
    throw error;
  }
}

import { realpath } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { isErrno } from '../../base/errors.ts';
import type { ConfigEntry } from '../../base/git/config-text.ts';
import type { HostRepository } from './git/git-repository.ts';
import type { GitFolders } from './git/own-git-folder.ts';
import { readSmallFile } from './small-file.ts';
import { allEnded } from './task-group.ts';

/** Ignore rules and attributes that apply to a working tree without being files in it. */
export interface UserPatterns {
  /** lines for `info/exclude`; where two rules match, the last one wins */
  exclude: Buffer;
  /** lines for a file with the rank of `core.attributesFile`, below every `.gitattributes` */
  attributes: Buffer;
  /** lines for `info/attributes`, above every `.gitattributes` */
  repositoryAttributes: Buffer;
}

/** Where the git packages of Debian, Fedora and Arch look for machine-wide attributes. */
const SYSTEM_ATTRIBUTES = '/etc/gitattributes';

/** Reads the rules of the user and of the repository, weaker ones first (gitignore(5), gitattributes(5)). */
export async function readUserPatterns(
  repository: HostRepository,
  options: Abortable & { config: readonly ConfigEntry[]; userGitDir: string },
): Promise<UserPatterns> {
  const info = join(repository.commonDir, 'info');
  const [userExclude, exclude, systemAttributes, userAttributes, attributes] = await allEnded([
    readConfigured(repository, 'core.excludesfile', { ...options, standard: 'ignore' }),
    readSmallFile(join(info, 'exclude'), { followLink: false }),
    readSmallFile(SYSTEM_ATTRIBUTES, { followLink: true }),
    readConfigured(repository, 'core.attributesfile', { ...options, standard: 'attributes' }),
    readSmallFile(join(info, 'attributes'), { followLink: false }),
  ]);
  return {
    exclude: joinLines([userExclude, exclude]),
    attributes: joinLines([systemAttributes, userAttributes]),
    repositoryAttributes: joinLines([attributes]),
  };
}

async function readConfigured(
  repository: HostRepository,
  key: string,
  options: Abortable & { config: readonly ConfigEntry[]; userGitDir: string; standard: string },
): Promise<Buffer | undefined> {
  const { config, userGitDir, standard, signal } = options;
  const entry = config.findLast((candidate) => candidate.key === key);
  if (!entry) return await readSmallFile(join(userGitDir, standard), { followLink: true });
  // git itself expands `~/`, `~user/` and `%(prefix)/`. It gets the value as an argument: reading the setting
  // itself, it might find one that was left out.
  const value = Buffer.from(entry.value ?? '', 'latin1').toString('utf8');
  const args = ['-c', `${key}=${value}`, 'config', '-z', '--type=path', '--get', key];
  const { stdout } = await repository.git.run(args, { signal, okCodes: [0, 1] });
  const path = resolve(repository.root, stdout.toString('utf8').replace(/\0$/, ''));
  if (!isOfUser(entry.scope) && !(await isInRepository(path, repository))) return undefined;
  return await readSmallFile(path, { followLink: true });
}

/** Whether settings of that scope belong to the user, not to the repository. */
export function isOfUser(scope: string): boolean {
  return scope === 'system' || scope === 'global';
}

/**
 * A repository's own configuration may only name its own files: one from others could name the user's keys,
 * and the guest could read them.
 */
export async function isInRepository(path: string, repository: GitFolders): Promise<boolean> {
  const { root, gitDir, commonDir } = repository;
  try {
    const real = await realpath(path);
    return [root, gitDir, commonDir].some((folder) => real.startsWith(folder + sep));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES')) return false;
    throw error;
  }
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

function joinLines(contents: readonly (Buffer | undefined)[]): Buffer {
  const parts: Buffer[] = [];
  for (const content of contents) {
    if (!content || content.length === 0) continue;
    const hasMark = content.subarray(0, 3).equals(BYTE_ORDER_MARK);
    parts.push(hasMark ? content.subarray(3) : content);
    if (content.at(-1) !== 0x0a) parts.push(Buffer.from('\n'));
  }
  return Buffer.concat(parts);
}

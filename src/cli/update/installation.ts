import { readFileSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AppError, isErrno } from '../../base/errors.ts';
import { isThere } from '../../base/files/if-there.ts';
import { isRecord } from '../../base/json-schema/check.ts';
import { DEBIAN_INSTALL, realOr, SHARED_INSTALL, userLink } from '../../config/install-places.ts';
import { SYSTEM } from '../../config/system-install.ts';
import { isVersion } from './version-order.ts';

/** Where releases come from, as the installed one says. */
export interface ReleaseSource {
  manifestUrl: string;
  /** public keys in PEM */
  keys: string[];
  threshold: number;
}

/** An installation that install.sh made. */
export interface Installation {
  /** the folder of the current release */
  root: string;
  version: string;
  arch: string;
  /** the folder of all releases */
  releasesDir: string;
  /** the command that leads to the current release */
  link: string;
  /** whom it serves: with `all`, every user has a daemon */
  scope: 'user' | 'all';
  source: ReleaseSource | undefined;
}

/**
 * Finds the installation that `programPath`, the bundle of the command line, belongs to.
 *
 * @throws {AppError} UPDATE_NOT_OURS when something else installed it, naming what updates it;
 * UPDATE_LINK_ELSEWHERE when the command `banger` is not this release.
 */
export async function findInstallation(
  programPath: string,
  { home }: { home: string },
): Promise<Installation> {
  const root = realOr(join(dirname(programPath), '..'));
  const facts = releaseFacts(root);
  const releasesDir = dirname(root);
  if (!facts || basename(releasesDir) !== 'releases' || basename(root) !== facts.version) {
    throw await notOurs(root, facts !== undefined);
  }
  const scope = releasesDir === realOr(SHARED_INSTALL.releasesDir) ? 'all' : 'user';
  const link = scope === 'all' ? SHARED_INSTALL.link : userLink(home);
  if (realOr(link) !== realOr(join(root, 'bin', 'banger'))) throw linkElsewhere(link, root);
  return { root, releasesDir, link, scope, ...facts };
}

/**
 * Refuses an installation that this user may not change.
 *
 * @throws {AppError} UPDATE_NEEDS_ROOT
 */
export async function requireWritable({ releasesDir, link }: Installation): Promise<void> {
  for (const folder of [releasesDir, dirname(link)]) {
    try {
      await access(folder, constants.W_OK);
    } catch (error) {
      if (!isErrno(error, 'EACCES', 'EROFS')) throw error;
      throw new AppError(
        'UPDATE_NEEDS_ROOT',
        `Cannot write to "${folder}": updating this install needs root`,
        {
          hint: `sudo ${link} update`,
          details: { path: folder },
        },
      );
    }
  }
}

/** The keys of the release that a program belongs to; `undefined` when it belongs to none. */
export function releaseKeys(programPath: string): Pick<ReleaseSource, 'keys' | 'threshold'> | undefined {
  return releaseFacts(realOr(join(dirname(programPath), '..')))?.source;
}

function releaseFacts(root: string): Pick<Installation, 'version' | 'arch' | 'source'> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(root, 'release.json'), 'utf8'));
    if (!isRecord(value)) return undefined;
    const { version, arch, update } = value;
    if (typeof version !== 'string' || !isVersion(version) || typeof arch !== 'string') return undefined;
    return { version, arch, source: sourceOf(update) };
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function sourceOf(value: unknown): ReleaseSource | undefined {
  if (!isRecord(value)) return undefined;
  const { manifestUrl, keys, threshold } = value;
  if (typeof manifestUrl !== 'string' || !Array.isArray(keys) || typeof threshold !== 'number')
    return undefined;
  return { manifestUrl, keys: keys.map(String), threshold };
}

async function notOurs(root: string, isRelease: boolean): Promise<AppError> {
  const { owner, hint } = await ownerOf(root, isRelease);
  return new AppError('UPDATE_NOT_OURS', `Cannot update "${root}": ${owner}`, {
    hint,
    details: { path: root },
  });
}

async function ownerOf(root: string, isRelease: boolean): Promise<{ owner: string; hint: string }> {
  if (root.includes('/node_modules/')) {
    return {
      owner: 'npm owns this install',
      hint: 'npm install -g FILE, with the package of the new release',
    };
  }
  if (root === SYSTEM.tree) {
    return {
      owner: 'it is the copy that runs as a service',
      hint: 'sudo banger system install, with the new release (its own bin/banger)',
    };
  }
  if (root === DEBIAN_INSTALL.root) {
    const isDebian = await isThere(DEBIAN_INSTALL.list);
    return isDebian
      ? {
          owner: 'apt owns this install',
          hint: 'sudo apt install ./FILE.deb, with the package of the new release',
        }
      : { owner: 'a package manager owns this install', hint: 'update the package banger with it' };
  }
  if (isRelease) {
    return {
      owner: 'install.sh did not install it',
      hint: 'unpack the new release there by hand, or use install.sh',
    };
  }
  return { owner: 'it is a checkout', hint: 'git pull && npm run setup (in that folder)' };
}

function linkElsewhere(link: string, root: string): AppError {
  return new AppError(
    'UPDATE_LINK_ELSEWHERE',
    `Cannot update "${root}": "${link}" does not lead to it, so it is not the current install`,
    { hint: `run ${link} update, or install again with install.sh`, details: { link, path: root } },
  );
}

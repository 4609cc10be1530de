import { randomBytes } from 'node:crypto';
import { readdir, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '../../base/files/atomic-file.ts';
import { discardTree, sweepDiscarded } from '../../base/files/discard.ts';
import type { Installation } from './installation.ts';
import { isVersion } from './version-order.ts';

/** Where an update keeps what is unfinished, in the folder of releases. */
const STAGING = '.update';

/** The folder for a release that is being downloaded. */
export function stagingOf({ releasesDir }: Pick<Installation, 'releasesDir'>): string {
  return join(releasesDir, STAGING);
}

/** The lock that one update at a time holds. */
export function lockOf({ releasesDir }: Pick<Installation, 'releasesDir'>): string {
  return join(releasesDir, `${STAGING}.lock`);
}

/** Deletes what a killed update has left. Call it with the lock. */
export async function sweepUpdates({ releasesDir }: Pick<Installation, 'releasesDir'>): Promise<void> {
  await discardTree(join(releasesDir, STAGING));
  await sweepDiscarded(releasesDir);
}

/** Moves an unpacked release to its place, instead of one that is there; returns the place. */
export async function placeRelease(
  staged: string,
  { releasesDir }: Pick<Installation, 'releasesDir'>,
  version: string,
): Promise<string> {
  const place = join(releasesDir, version);
  await discardTree(place);
  await rename(staged, place);
  await syncFolder(releasesDir);
  return place;
}

/** Makes the release at `root` the current one, by one rename: there is a command at any moment. */
export async function switchTo(root: string, { link }: Pick<Installation, 'link'>): Promise<void> {
  const temporary = join(dirname(link), `.banger.${randomBytes(6).toString('hex')}`);
  await symlink(join(root, 'bin', 'banger'), temporary);
  try {
    await rename(temporary, link);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(link));
}

/** Deletes all releases but those of these versions; returns the versions that it deleted. */
export async function deleteOthers(
  { releasesDir }: Pick<Installation, 'releasesDir'>,
  kept: readonly string[],
): Promise<string[]> {
  const others = (await readdir(releasesDir)).filter((name) => isVersion(name) && !kept.includes(name));
  for (const name of others) await discardTree(join(releasesDir, name));
  return others;
}

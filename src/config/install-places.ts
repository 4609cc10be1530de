import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../base/errors.ts';

/*
 * What install.sh makes, below ~/.local for one user, or below /usr/local for all:
 *
 *     ~/.local/bin/banger                         link to bin/banger of the current release
 *     ~/.local/share/banger/releases/v0.1.0/      a release
 *     ~/.local/share/banger/releases/v0.2.0/
 */

/** Where install.sh installs for all users. */
export const SHARED_INSTALL = {
  releasesDir: '/usr/local/lib/banger/releases',
  link: '/usr/local/bin/banger',
} as const;

/** Where the Debian package has its files. */
export const DEBIAN_INSTALL = { root: '/usr/lib/banger', list: '/var/lib/dpkg/info/banger.list' } as const;

/** The command that install.sh makes for one user. */
export function userLink(home: string): string {
  return join(home, '.local', 'bin', 'banger');
}

/**
 * The name of a program that stays right after an update: the command that leads to it, where there is one,
 * otherwise `launcher` itself, which is in the folder of its release.
 */
export function lastingName(launcher: string, home: string | undefined): string {
  const real = realOr(launcher);
  const links = [...(home ? [userLink(home)] : []), SHARED_INSTALL.link];
  return links.find((link) => link !== realOr(link) && realOr(link) === real) ?? launcher;
}

/** What a path leads to through links; the path itself when there is nothing. */
export function realOr(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES')) return path;
    throw error;
  }
}

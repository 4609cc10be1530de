import { readFileSync } from 'node:fs';
import { isErrno } from '../base/errors.ts';

/*
 * What `banger system install` makes:
 *
 *     /usr/local/lib/banger-system/          a copy of this release, which only root can change
 *     /usr/local/bin/banger                  link to it, unless there is such a command
 *     /etc/banger/install.toml               whom it serves
 *     /etc/systemd/system/bangerd*           the units
 *     /run/banger, /var/lib/banger, /var/cache/banger   the owner's, made by systemd
 */

/** The places of the install for a whole host. */
export const SYSTEM = {
  tree: '/usr/local/lib/banger-system',
  link: '/usr/local/bin/banger',
  configDir: '/etc/banger',
  installFile: '/etc/banger/install.toml',
  unitDir: '/etc/systemd/system',
  stateDir: '/var/lib/banger',
  cacheDir: '/var/cache/banger',
  runtimeDir: '/run/banger',
  helperRuntimeDir: '/run/banger-root',
  helperSocket: '/run/banger-root/bangerd-root.sock',
  daemonUnit: 'bangerd.service',
  helperUnit: 'bangerd-root.service',
  helperSocketUnit: 'bangerd-root.socket',
} as const;

/** The first line of each file that `system install` writes. */
export const SYSTEM_MARK = '# Written by banger system install.';

/** Whom an install serves. */
export interface SystemInstall {
  owner: string;
  uid: number;
  version: string;
  installedAt: string;
}

/** Reads who the install of this host serves; `undefined` when there is none, or another program's. */
export function readSystemInstall(path: string = SYSTEM.installFile): SystemInstall | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined;
    throw error;
  }
  if (!text.startsWith(SYSTEM_MARK)) return undefined;
  // Every command reads this file, so it is not worth a parser of TOML.
  const value = (key: string): string => new RegExp(`^${key} = "?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
  const uid = Number(value('owner_uid'));
  if (!Number.isInteger(uid) || uid <= 0) return undefined;
  return { owner: value('owner'), uid, version: value('version'), installedAt: value('installed_at') };
}

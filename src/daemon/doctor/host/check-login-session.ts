import { readdir, readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { isErrno } from '../../../base/errors.ts';
import type { Check, Finding } from '../check.ts';

/** Where systemd-logind stores what this check reads; other folders in tests. */
export interface LogindPlaces {
  /** one file per user with a session */
  users: string;
  /** one file per user whose service manager outlives the sessions */
  linger: string;
  /** folders of `logind.conf` and `logind.conf.d`; the first with a setting wins (logind.conf(5)) */
  config: readonly string[];
  /** proc(5) `/proc/PID/cgroup` of the daemon */
  cgroup: string;
}

const PLACES: LogindPlaces = {
  users: '/run/systemd/users',
  linger: '/var/lib/systemd/linger',
  config: ['/etc/systemd', '/run/systemd', '/usr/local/lib/systemd', '/usr/lib/systemd'],
  cgroup: '/proc/self/cgroup',
};

/** VMs and their daemon outlive their user's login session. */
export const checkLoginSession: Check = {
  name: 'login session',
  run: async ({ uid }) => await inspectLogin({ uid, name: nameOf(uid) }),
};

/** Finds what ends the user's processes at logout. */
export async function inspectLogin(
  { uid, name: user }: { uid: number; name: string },
  places: LogindPlaces = PLACES,
): Promise<Finding> {
  if ((await read(join(places.users, String(uid)))) === undefined) {
    return { status: 'pass', message: 'no login session of systemd ends VMs' };
  }
  const isLingering = (await read(join(places.linger, user))) !== undefined;
  const cgroup = (await read(places.cgroup)) ?? '';
  if (cgroup.includes(`/user@${uid}.service/`)) {
    if (isLingering) return { status: 'pass', message: `VMs outlive logins: "${user}" lingers` };
    return {
      status: 'warn',
      message: `the daemon and its VMs end when the last session of "${user}" does: they run below its service manager, and "${user}" does not linger`,
      fix: `loginctl enable-linger ${user}`,
    };
  }
  // By default, root is in KillExcludeUsers=.
  if (uid === 0 || !(await killsProcesses(places.config))) {
    return {
      status: 'pass',
      message: 'VMs outlive logins: logind leaves programs alone (KillUserProcesses=no)',
    };
  }
  return {
    status: 'warn',
    message:
      'logind kills the daemon and its VMs when the session that started them ends (KillUserProcesses=yes)',
    fix: `set KillUserProcesses=no in /etc/systemd/logind.conf; or: loginctl enable-linger ${user}, and run banger by: systemd-run --user --scope`,
  };
}

/**
 * The value of `KillUserProcesses`: the configured one, else the default in a comment of the shipped file,
 * else systemd's own default, which is yes.
 */
async function killsProcesses(folders: readonly string[]): Promise<boolean> {
  const main: string[] = [];
  const parts = new Map<string, string>();
  for (const folder of folders) {
    const text = await read(join(folder, 'logind.conf'));
    if (text !== undefined) main.push(text);
    for (const name of await namesIn(join(folder, 'logind.conf.d'))) {
      const part =
        name.endsWith('.conf') && !parts.has(name) && (await read(join(folder, 'logind.conf.d', name)));
      if (part) parts.set(name, part);
    }
  }
  // Drop-in files override the main file; among them, the last by name wins.
  const byName = [...parts.entries()].sort(([a], [b]) => (a < b ? 1 : -1)).map(([, text]) => text);
  for (const text of [...byName, main[0] ?? '']) {
    const value = lastOf(text, /^\s*KillUserProcesses\s*=\s*(\S+)/gm);
    if (value !== undefined) return isTrue(value);
  }
  for (const text of main) {
    const shipped = lastOf(text, /^\s*#\s*KillUserProcesses\s*=\s*(\S+)/gm);
    if (shipped !== undefined) return isTrue(shipped);
  }
  return true;
}

function lastOf(text: string, pattern: RegExp): string | undefined {
  return [...text.matchAll(pattern)].at(-1)?.[1];
}

/** A boolean as in systemd.syntax(7). */
function isTrue(value: string): boolean {
  return ['1', 'yes', 'y', 'true', 't', 'on'].includes(value.toLowerCase());
}

/** The user's name in logind's file names; the number when the system has no name for it. */
function nameOf(uid: number): string {
  try {
    return userInfo().username;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ERR_SYSTEM_ERROR')) return String(uid);
    throw error;
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    // A file that we may not read exists all the same.
    if (isErrno(error, 'EACCES', 'EPERM')) return '';
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return [];
    throw error;
  }
}

import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Variables of an environment. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** Where mkfs.ext4 and others are on systems that omit these folders from an ordinary user's PATH. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/**
 * The only variables that system tools inherit besides PATH: the user's proxies. Any other variable might
 * influence what the tool makes.
 */
const KEPT = /^(http|https|ftp|all|no)_proxy$/i;

/**
 * The environment for system tools, derived from the caller's: `PATH` with the system folders, messages in
 * English, the proxies, and nothing else.
 */
export function toolEnv(env: Variables): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => KEPT.test(name));
  return { ...Object.fromEntries(kept), PATH: systemPath(env), LC_ALL: 'C.UTF-8' };
}

/** `PATH` of `env` plus the system folders that it lacks. */
export function systemPath(env: Variables): string {
  const folders = (env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin').split(delimiter).filter(Boolean);
  return [...new Set([...folders, ...SYSTEM_FOLDERS])].join(delimiter);
}

/** The first executable file `name` on the PATH of `env`; `undefined` when there is none. */
export async function findProgram(name: string, env: Variables): Promise<string | undefined> {
  for (const folder of systemPath(env).split(delimiter)) {
    const path = join(folder, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

/** True when `path` is a file that this process may execute. */
export async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

import { access, readFile, statfs } from 'node:fs/promises';
import { userInfo } from 'node:os';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isAppError, isErrno } from '../../base/errors.ts';
import { exec } from '../../base/exec.ts';
import { findProgram } from '../../base/programs.ts';
import { inRootNamespace, NAMESPACE_GRACE_MS } from '../../base/root-namespace.ts';
import { formatSize } from '../../base/size.ts';
import { DEBIAN_KEYRING } from './recipe-scripts.ts';

/** What a build needs at its height: the tree, its packages, the image, the kernel. */
const BUILD_BYTES = 3 * 2 ** 30;

/** What {@link checkHost} looks at. */
export interface HostCheckOptions extends Abortable {
  imageName: string;
  /** where everything is made */
  dir: string;
  uid: number;
  env: NodeJS.ProcessEnv;
}

type PackageManager = 'apt' | 'dnf' | 'pacman' | 'zypper';

/** Programs a build runs, and the packages they are in. */
const TOOLS: readonly { program: string; packages: Readonly<Record<PackageManager, string>> }[] = [
  tool('mmdebstrap', 'mmdebstrap'),
  tool('mkfs.ext4', 'e2fsprogs'),
  tool('unshare', 'util-linux'),
  tool('setpriv', 'util-linux'),
  tool('tar', 'tar'),
  tool('npm', 'npm'),
];

/** Programs that only an ordinary user needs. */
const USER_TOOLS: typeof TOOLS = [
  {
    program: 'newuidmap',
    packages: { apt: 'uidmap', dnf: 'shadow-utils', pacman: 'shadow', zypper: 'shadow' },
  },
];

const KEYRING_PACKAGES: Readonly<Record<PackageManager, string>> = {
  apt: 'debian-archive-keyring',
  dnf: 'debian-keyring',
  pacman: 'debian-archive-keyring',
  zypper: 'debian-archive-keyring',
};

/**
 * Checks that a build can work here, before anything is made; changes nothing.
 *
 * @throws {AppError} IMAGE_TOOL_MISSING naming everything that is missing; HOST_NO_SPACE; IMAGE_NEEDS_SUBIDS, IMAGE_NEEDS_NAMESPACES with the fix.
 */
export async function checkHost(options: HostCheckOptions): Promise<void> {
  await checkTools(options);
  await checkSpace(options.dir, options.imageName);
  await checkNamespaces(options);
}

/** @throws {AppError} HOST_NO_SPACE when fewer than {@link BUILD_BYTES} are free in `dir`. */
async function checkSpace(dir: string, imageName: string): Promise<void> {
  const free = await freeBytes(dir);
  if (free < BUILD_BYTES) throw noSpace(imageName, { dir, free });
}

/** What an ordinary user may still write to the file system of `dir`, in bytes. */
export async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

/** The error for a build that the disk has no room for. */
export function noSpace(
  imageName: string,
  { dir, free, cause }: { dir: string; free: number; cause?: unknown },
): AppError {
  const [has, needs] = [formatSize(free), formatSize(BUILD_BYTES)];
  return new AppError(
    'HOST_NO_SPACE',
    `Cannot build image "${imageName}": "${dir}" has ${has} free, a build needs ${needs}`,
    {
      hint: `free some space there, or set XDG_DATA_HOME to a folder on a larger disk`,
      details: { path: dir, freeBytes: free, neededBytes: BUILD_BYTES },
      cause,
    },
  );
}

async function checkTools({ imageName, uid, env }: HostCheckOptions): Promise<void> {
  const wanted = uid === 0 ? TOOLS : [...TOOLS, ...USER_TOOLS];
  const missing: { program: string; packages: Readonly<Record<PackageManager, string>> }[] = [];
  for (const one of wanted) if (!(await findProgram(one.program, env))) missing.push(one);
  if (!(await exists(DEBIAN_KEYRING))) missing.push({ program: DEBIAN_KEYRING, packages: KEYRING_PACKAGES });
  if (missing.length === 0) return;
  const names = missing.map(({ program }) => `"${program}"`).join(', ');
  const packages = packageLists(missing);
  throw new AppError('IMAGE_TOOL_MISSING', `Cannot build image "${imageName}": this host has no ${names}`, {
    hint: `install the packages; on Debian and Ubuntu: sudo apt install ${packages.apt}`,
    details: { programs: missing.map(({ program }) => program), packages },
  });
}

function packageLists(
  missing: readonly { packages: Readonly<Record<PackageManager, string>> }[],
): Record<PackageManager, string> {
  const list = (manager: PackageManager) =>
    [...new Set(missing.map(({ packages }) => packages[manager]))].join(' ');
  return { apt: list('apt'), dnf: list('dnf'), pacman: list('pacman'), zypper: list('zypper') };
}

/** Tries what a build does first; only when that fails, looks for the reason. */
async function checkNamespaces(options: HostCheckOptions): Promise<void> {
  const { imageName, uid, env, signal } = options;
  try {
    await exec(inRootNamespace(['true'], { uid }), { env, signal, graceMs: NAMESPACE_GRACE_MS });
  } catch (error) {
    if (!isAppError(error, 'EXEC_FAILED')) throw error;
    const user = userName(uid);
    const files = await Promise.all(['/etc/subuid', '/etc/subgid'].map(readIfThere));
    if (uid !== 0 && !files.every((text) => hasSubIds(text, { user, uid })))
      throw needsSubIds(imageName, user, files);
    throw new AppError(
      'IMAGE_NEEDS_NAMESPACES',
      `Cannot build image "${imageName}": namespaces cannot be made here`,
      {
        hint: namespaceHint(uid, await readSysctls()),
        cause: error,
      },
    );
  }
}

/** A user that the system has no name for goes by its number. */
function userName(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    return String(uid);
  }
}

/** True when a file like subuid(5) grants ranges to the user, by name or number. */
export function hasSubIds(text: string, { user, uid }: { user: string; uid: number }): boolean {
  return text.split('\n').some((line) => {
    const [owner, first, count] = line.split(':');
    return (owner === user || owner === String(uid)) && Number(first) > 0 && Number(count) >= 65_536;
  });
}

/** The first id that no range of files like subuid(5) takes, at least 100,000, where distributions begin. */
export function firstFreeSubId(texts: readonly string[]): number {
  const ends = texts
    .flatMap((text) => text.split('\n'))
    .map((line) => line.split(':'))
    .map(([, first, count]) => Number(first) + Number(count))
    .filter(Number.isSafeInteger);
  return Math.max(100_000, ...ends);
}

function needsSubIds(imageName: string, user: string, files: readonly string[]): AppError {
  const first = firstFreeSubId(files);
  const range = `${first}-${first + 65_535}`;
  return new AppError(
    'IMAGE_NEEDS_SUBIDS',
    `Cannot build image "${imageName}": user "${user}" has no range of 65536 ids in /etc/subuid and /etc/subgid`,
    {
      hint: `sudo usermod --add-subuids ${range} --add-subgids ${range} ${user}`,
      details: { user, firstId: first, count: 65_536 },
    },
  );
}

/** Switches that forbid user namespaces, with the value that does. */
const FORBIDDING_SYSCTLS = [
  { name: 'kernel.unprivileged_userns_clone', forbids: '0', fix: '1' },
  { name: 'kernel.apparmor_restrict_unprivileged_userns', forbids: '1', fix: '0' },
  { name: 'user.max_user_namespaces', forbids: '0', fix: '15000' },
] as const;

function namespaceHint(uid: number, sysctls: ReadonlyMap<string, string>): string {
  const fixes = FORBIDDING_SYSCTLS.filter(({ name, forbids }) => sysctls.get(name) === forbids);
  if (uid !== 0 && fixes.length > 0) {
    return `sudo sysctl -w ${fixes.map(({ name, fix }) => `${name}=${fix}`).join(' ')}`;
  }
  return uid === 0
    ? 'run it where root may mount: a container needs CAP_SYS_ADMIN'
    : 'get util-linux 2.38 or later, and see that user namespaces are allowed here: unshare --user --map-auto true';
}

async function readSysctls(): Promise<Map<string, string>> {
  const values = FORBIDDING_SYSCTLS.map(async ({ name }) => {
    const text = await readIfThere(`/proc/sys/${name.replaceAll('.', '/')}`);
    return [name, text.trim()] as const;
  });
  return new Map(await Promise.all(values));
}

function tool(program: string, name: string) {
  return { program, packages: { apt: name, dnf: name, pacman: name, zypper: name } };
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES')) return '';
    throw error;
  }
}

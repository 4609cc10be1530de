import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isAppError, isErrno } from '../../../base/errors.ts';
import { exec, PROBE_DEADLINE_MS } from '../../../base/process/exec.ts';
import { findProgram, type Variables } from '../../../base/process/programs.ts';
import { inRootNamespace, NAMESPACE_GRACE_MS } from '../../../base/process/root-namespace.ts';

/** The user for whom namespaces are tried. */
export interface NamespaceHost {
  uid: number;
  /** environment of system tools */
  env: Variables;
}

/**
 * Runs a program as root of new namespaces, which is the first thing an image build does, and looks for the
 * reason only when that fails. Returns the error that keeps this user from building images, with the one
 * command that repairs it as its hint; `undefined` when there is none. Takes at most half a minute and
 * changes nothing.
 *
 * The error: {AppError} IMAGE_NEEDS_SUBIDS, IMAGE_NEEDS_NAMESPACES.
 *
 * @throws {AppError} EXEC_NOT_FOUND when util-linux is missing.
 */
export async function findNamespaceProblem(
  { uid, env }: NamespaceHost,
  { signal }: Abortable,
): Promise<AppError | undefined> {
  try {
    await exec(inRootNamespace(['true'], { uid }), {
      env: { ...env },
      signal,
      graceMs: NAMESPACE_GRACE_MS,
      deadlineMs: PROBE_DEADLINE_MS,
    });
    return undefined;
  } catch (error) {
    if (!isAppError(error, 'EXEC_FAILED')) throw error;
    return (await subIdsProblem({ uid, env })) ?? (await namespacesRefused(uid, error));
  }
}

/** What an ordinary user lacks: subordinate ids, or the programs that map them. */
async function subIdsProblem({ uid, env }: NamespaceHost): Promise<AppError | undefined> {
  if (uid === 0) return undefined;
  for (const program of ['newuidmap', 'newgidmap']) {
    if (await findProgram(program, env)) continue;
    return new AppError('IMAGE_NEEDS_SUBIDS', `"${program}", which maps subordinate ids, is not installed`, {
      hint: 'install the package "uidmap" (Debian, Ubuntu), "shadow-utils" (Fedora) or "shadow" (Arch, openSUSE)',
      details: { program },
    });
  }
  const user = userName(uid);
  const files = await Promise.all(['/etc/subuid', '/etc/subgid'].map(readIfThere));
  if (files.every((text) => hasSubIds(text, { user, uid }))) return undefined;
  const first = firstFreeSubId(files);
  const range = `${first}-${first + 65_535}`;
  return new AppError(
    'IMAGE_NEEDS_SUBIDS',
    `user "${user}" has no range of 65536 ids in /etc/subuid and /etc/subgid`,
    {
      hint: `sudo usermod --add-subuids ${range} --add-subgids ${range} ${user}`,
      details: { user, firstId: first, count: 65_536 },
    },
  );
}

/** The user's name, or the number when the system has no name for it. */
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

/** The first id after all ranges in files like subuid(5), at least 100,000, where distributions begin. */
export function firstFreeSubId(texts: readonly string[]): number {
  const ends = texts
    .flatMap((text) => text.split('\n'))
    .map((line) => line.split(':'))
    .map(([, first, count]) => Number(first) + Number(count))
    .filter(Number.isSafeInteger);
  return Math.max(100_000, ...ends);
}

/** Kernel settings that can forbid user namespaces, with the value that does. */
const FORBIDDING_SYSCTLS = [
  { name: 'kernel.unprivileged_userns_clone', forbids: '0', fix: '1' },
  { name: 'kernel.apparmor_restrict_unprivileged_userns', forbids: '1', fix: '0' },
  { name: 'user.max_user_namespaces', forbids: '0', fix: '15000' },
] as const;

async function namespacesRefused(uid: number, cause: AppError): Promise<AppError> {
  const refused = await refusals();
  return new AppError('IMAGE_NEEDS_NAMESPACES', 'namespaces cannot be created here', {
    hint: namespaceHint(uid, refused),
    details: { sysctls: refused.map(({ name, forbids }) => `${name}=${forbids}`) },
    cause,
  });
}

function namespaceHint(uid: number, refused: Awaited<ReturnType<typeof refusals>>): string {
  if (uid === 0) return 'run it where root may mount file systems: a container needs CAP_SYS_ADMIN';
  if (refused.length > 0)
    return `sudo sysctl -w ${refused.map(({ name, fix }) => `${name}=${fix}`).join(' ')}`;
  return 'install util-linux 2.38 or later, and check that user namespaces are allowed here: unshare --user --map-auto true';
}

/** The settings that forbid user namespaces on this host. */
async function refusals(): Promise<(typeof FORBIDDING_SYSCTLS)[number][]> {
  const values = await Promise.all(
    FORBIDDING_SYSCTLS.map(({ name }) => readIfThere(`/proc/sys/${name.replaceAll('.', '/')}`)),
  );
  return FORBIDDING_SYSCTLS.filter(({ forbids }, at) => values[at]?.trim() === forbids);
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES')) return '';
    throw error;
  }
}

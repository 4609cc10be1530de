import {
  chmod,
  cp,
  lstat,
  mkdir,
  readFile,
  readlink,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isErrno } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files/atomic-file.ts';
import { exec } from '../../base/process/exec.ts';
import { shellWord } from '../../base/text/shell-word.ts';
import { SYSTEM_MARK } from '../../config/system-install.ts';

/** One thing that is done to the host. Each may be repeated. */
export type Step =
  | { kind: 'write'; path: string; content: string }
  | { kind: 'copy'; path: string; parts: readonly CopiedPart[] }
  | { kind: 'link'; path: string; target: string }
  | { kind: 'remove'; path: string }
  /** removes a folder if nothing is in it */
  | { kind: 'tidy'; path: string }
  | { kind: 'run'; argv: readonly [string, ...string[]]; mayFail?: boolean };

/** A file or folder of a tree that is copied. */
export interface CopiedPart {
  from: string;
  /** below the tree's folder */
  to: string;
}

/** What a step does, in one line. */
export function stepLine(step: Step): string {
  switch (step.kind) {
    case 'write':
      return `write ${step.path}`;
    case 'copy':
      return `copy to ${step.path}: ${step.parts.map(({ from }) => from).join(', ')}`;
    case 'link':
      return `link ${step.path} to ${step.target}`;
    case 'remove':
      return `remove ${step.path}`;
    case 'tidy':
      return `remove ${step.path} if it is empty`;
    case 'run':
      return `run ${step.argv.map(shellWord).join(' ')}`;
    default:
      return step satisfies never;
  }
}

/** Carries out the steps, in their order. */
export async function carryOut(
  steps: readonly Step[],
  { signal, onStep }: Abortable & { onStep: (line: string) => void },
): Promise<void> {
  for (const step of steps) {
    signal.throwIfAborted();
    onStep(stepLine(step));
    await carryOutOne(step, { signal });
  }
}

async function carryOutOne(step: Step, { signal }: Abortable): Promise<void> {
  switch (step.kind) {
    case 'write':
      await mkdir(dirname(step.path), { recursive: true, mode: 0o755 });
      return await writeFileAtomic(step.path, step.content, { mode: 0o644 });
    case 'copy':
      return await replaceTree(step.path, step.parts);
    case 'link':
      await mkdir(dirname(step.path), { recursive: true, mode: 0o755 });
      if (!(await leadsTo(step.path, step.target))) await symlink(step.target, step.path);
      return;
    case 'remove':
      // Removes by descriptors: a user whose folder this is cannot lead root elsewhere with a link meanwhile.
      await exec(['rm', '-rf', '--one-file-system', '--', step.path], { signal });
      return;
    case 'tidy':
      return await tidy(step.path);
    case 'run':
      await exec(step.argv, { signal, ...(step.mayFail ? { okCodes: ANY_STATUS } : {}) });
      return;
    default:
      return step satisfies never;
  }
}

const ANY_STATUS = [0, 1, 2, 3, 4, 5];

/** Makes the tree beside its place, so that there is always a whole one. Programs that run keep theirs. */
async function replaceTree(path: string, parts: readonly CopiedPart[]): Promise<void> {
  const [fresh, old] = [`${path}.new`, `${path}.old`];
  for (const left of [fresh, old]) await rm(left, { recursive: true, force: true });
  for (const { from, to } of parts) {
    await mkdir(dirname(`${fresh}/${to}`), { recursive: true, mode: 0o755 });
    await cp(from, `${fresh}/${to}`, { recursive: true, dereference: true });
  }
  await exec(['chown', '-R', '0:0', fresh], { signal: AbortSignal.timeout(COPY_MS) });
  await exec(['chmod', '-R', 'u=rwX,go=rX', fresh], { signal: AbortSignal.timeout(COPY_MS) });
  await chmod(fresh, 0o755);
  try {
    await rename(path, old);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  }
  await rename(fresh, path);
  await rm(old, { recursive: true, force: true });
}

const COPY_MS = 120_000;

async function tidy(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error;
  }
}

/** Whether a link leads there. */
export async function leadsTo(path: string, target: string): Promise<boolean> {
  try {
    return (await readlink(path)) === target;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EINVAL', 'ENOTDIR')) return false;
    throw error;
  }
}

/**
 * Refuses files that `system install` has not written.
 *
 * @throws {AppError} SYSTEM_FOREIGN
 */
export async function refuseForeign(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (await isForeign(path)) {
      throw new AppError('SYSTEM_FOREIGN', `Cannot change "${path}": banger has not written it`, {
        hint: 'another program owns this install: remove that first, with its own uninstaller',
        details: { path },
      });
    }
  }
}

/**
 * Refuses folders of another user, which an earlier install has kept: systemd would give all files in them to
 * the new owner, with their modes. A program of the other user that is setuid would then run as that one.
 *
 * @throws {AppError} SYSTEM_OTHER_OWNER
 */
export async function refuseOtherOwner(folders: readonly string[], uid: number): Promise<void> {
  for (const path of folders) {
    const found = await uidOf(path);
    if (found === undefined || found === 0 || found === uid) continue;
    throw new AppError('SYSTEM_OTHER_OWNER', `Cannot use "${path}": it has files of the user ${found}`, {
      hint: `VMs that nobody needs any more: sudo rm -r ${shellWord(path)}`,
      details: { path, uid: found },
    });
  }
}

async function uidOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).uid;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

async function isForeign(path: string): Promise<boolean> {
  try {
    const isFile = (await lstat(path)).isFile();
    return !isFile || !(await readFile(path, 'utf8')).startsWith(SYSTEM_MARK);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

import { statSync } from 'node:fs';
import { mkdir, mkdtemp, open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type AppError, isErrno, messageOf } from '../../../base/errors.ts';
import { type Environment, temporaryDir } from '../../../config/settings.ts';
import { badOption } from '../guest-env.ts';

/** Bytes of a log that are read for its last lines. */
const TAIL_BYTES = 8 * 1024;

/** Longest part of a log's name that comes from a label, in characters. */
const MAX_LABEL_CHARS = 80;

/**
 * Returns the absolute path of the folder that `--logs` names.
 *
 * @throws {AppError} USAGE_OPTION_VALUE when something else is there, or it is empty
 */
export function logFolderOf(given: string | undefined, cwd: string): string | undefined {
  if (given === undefined) return undefined;
  const refuse = (why: string): AppError =>
    badOption('--logs', { value: given, why, hint: 'give a folder, which is made when there is none' });
  if (given === '') throw refuse('it is empty');
  const path = resolve(cwd, given);
  try {
    if (!statSync(path).isDirectory()) throw refuse('it is not a folder');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return path;
    if (isErrno(error)) throw refuse(messageOf(error));
    throw error;
  }
  return path;
}

/**
 * Makes the folder of logs: the one that was asked for, or a new one in the system's folder for temporary
 * files, which only this user can read. @throws {AppError} USAGE_OPTION_VALUE
 */
export async function openLogFolder(
  path: string | undefined,
  { command, env }: { command: string; env: Environment },
): Promise<string> {
  if (path === undefined) return await mkdtemp(join(temporaryDir(env), `banger-${command}-`));
  try {
    await mkdir(path, { recursive: true });
    return path;
  } catch (error) {
    throw badOption('--logs', {
      value: path,
      why: messageOf(error),
      hint: 'give a folder that you may write to',
    });
  }
}

/** Name of the log of one command: its number, and its label without what is awkward in a file name. */
export function logName(index: number, label: string): string {
  const plain = label.replace(/[^A-Za-z0-9._=+-]+/g, '_').slice(0, MAX_LABEL_CHARS);
  return `${String(index).padStart(3, '0')}-${plain}.log`;
}

/** The last lines of a log; empty when there is none. */
export async function lastLines(logFile: string, count: number): Promise<string[]> {
  try {
    await using file = await open(logFile, 'r');
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES));
    await file.read(bytes, 0, bytes.length, size - bytes.length);
    const lines = bytes.toString('utf8').split('\n');
    if (lines.at(-1) === '') lines.pop();
    return lines.slice(-count);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

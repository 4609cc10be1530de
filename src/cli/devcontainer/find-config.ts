import { closeSync, existsSync, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { AppError, isErrno, messageOf } from '../../base/errors.ts';
import { formatSize } from '../../base/text/size.ts';
import { isWithin } from './config.ts';

const FOLDER = '.devcontainer';
const FILE = 'devcontainer.json';

const MAX_BYTES = 2 ** 20;

/** Most folders of `.devcontainer` that are looked into. */
const MAX_FOLDERS = 100;

/** A file that was found, and what it is for. Paths are real paths. */
export interface FoundConfig {
  file: string;
  text: string;
  /** folder that the file is for */
  folder: string;
  /** top of its working tree */
  repoRoot: string;
}

/**
 * Reads the configuration for a folder: `.devcontainer/devcontainer.json`, `.devcontainer.json`, or
 * `.devcontainer/NAME/devcontainer.json`; of the folder itself or the nearest one above it in its working
 * tree. Reads nothing outside of the working tree.
 *
 * @throws {AppError} DEVCONTAINER_NOT_FOUND, DEVCONTAINER_AMBIGUOUS, DEVCONTAINER_INVALID.
 */
export function findConfig(path: string, { name }: { name?: string | undefined } = {}): FoundConfig {
  const start = realFolder(path);
  const repoRoot = topOf(start);
  for (let folder = start; ; folder = dirname(folder)) {
    const file = fileIn(folder, name);
    if (file !== undefined) return { ...readConfig(file, repoRoot), folder, repoRoot };
    if (folder === repoRoot) break;
  }
  const wanted = name === undefined ? '' : ` named "${name}"`;
  throw new AppError('DEVCONTAINER_NOT_FOUND', `Cannot find a ${FILE}${wanted} in "${start}"`, {
    hint: `it is ${FOLDER}/${FILE}, .${FILE} or ${FOLDER}/NAME/${FILE} of the repository`,
    details: { path: start },
  });
}

function realFolder(path: string): string {
  try {
    const real = realpathSync(path);
    if (statSync(real).isDirectory()) return real;
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG')) throw error;
  }
  throw new AppError('DEVCONTAINER_NOT_FOUND', `Cannot find a ${FILE} in "${path}": it is not a folder`, {
    hint: 'give a folder of a git working tree',
    details: { path },
  });
}

/** The folder with `.git` at or above `start`, else `start`. */
function topOf(start: string): string {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, '.git'))) return folder;
    if (folder === dirname(folder)) return start;
  }
}

function fileIn(folder: string, name: string | undefined): string | undefined {
  if (name !== undefined) return existing(resolve(folder, FOLDER, name, FILE));
  const usual = existing(join(folder, FOLDER, FILE)) ?? existing(join(folder, `.${FILE}`));
  if (usual !== undefined) return usual;
  const names = foldersOf(join(folder, FOLDER)).filter((one) => existsSync(join(folder, FOLDER, one, FILE)));
  if (names.length <= 1) return names[0] === undefined ? undefined : join(folder, FOLDER, names[0], FILE);
  throw new AppError('DEVCONTAINER_AMBIGUOUS', `Cannot choose a ${FILE} of "${folder}": there are several`, {
    hint: `choose one by its name: ${names.join(', ')}`,
    details: { names },
  });
}

function existing(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}

function foldersOf(dir: string): string[] {
  try {
    return readdirSync(dir).sort().slice(0, MAX_FOLDERS);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return [];
    throw error;
  }
}

function readConfig(file: string, repoRoot: string): { file: string; text: string } {
  const real = realpathSync(file);
  const shown = relative(repoRoot, file);
  if (!isWithin(repoRoot, real))
    throw invalidConfig(shown, 'it is a link to a file outside of the repository');
  try {
    if (!statSync(real).isFile()) throw invalidConfig(shown, 'it is not a file');
    const text = readBounded(real);
    if (text !== undefined) return { file: real, text };
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EPERM', 'ENOENT')) throw error;
    throw invalidConfig(shown, messageOf(error));
  }
  throw invalidConfig(shown, `it is larger than ${formatSize(MAX_BYTES)}`);
}

function readBounded(path: string): string | undefined {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < buffer.length; length += count) {
      count = readSync(file, buffer, length, buffer.length - length, null);
    }
    return length > MAX_BYTES ? undefined : buffer.toString('utf8', 0, length);
  } finally {
    closeSync(file);
  }
}

/** The error for a file that cannot be used at all. */
export function invalidConfig(file: string, why: string): AppError {
  return new AppError('DEVCONTAINER_INVALID', `Cannot use "${file}": ${why}`, { details: { file } });
}

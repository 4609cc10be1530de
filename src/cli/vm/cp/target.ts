import { posix } from 'node:path';
import { AppError } from '../../../base/errors.ts';

/** What is at a path, on either side. */
export type PathKind = 'file' | 'directory' | 'other' | 'missing';

/** What is copied. */
export interface CopySource {
  path: string;
  kind: 'file' | 'directory';
}

/**
 * Where it goes:
 *
 * - `file`: to `name` in the directory `dir`
 * - `directory`: the content into the directory `dir`, which is made when it is missing
 */
export type CopyTarget = { kind: 'file'; dir: string; name: string } | { kind: 'directory'; dir: string };

/**
 * Decides where a copy goes, by the rules of docker-cp(1): into an existing directory, under the name of the
 * source; else to the path itself, whose parent must exist. A source directory that ends in `/.` means its
 * content. Calls `kindOf` for `target` and, if that is missing, for its parent.
 *
 * @throws {AppError} COPY_TARGET_INVALID when something at the path is in the way, or its parent is missing.
 */
export async function copyTarget(
  source: CopySource,
  target: string,
  kindOf: (path: string) => Promise<PathKind>,
): Promise<CopyTarget> {
  const kind = await kindOf(target);
  const isContent = /(^|\/)\.\/*$/.test(source.path);
  const name = nameOf(source.path);
  switch (kind) {
    case 'directory':
      if (source.kind === 'file') return { kind: 'file', dir: target, name };
      return { kind: 'directory', dir: isContent || name === '' ? target : posix.join(target, name) };
    case 'file':
      if (source.kind === 'directory') throw invalid(source, target, 'it is a file');
      if (target.endsWith('/')) throw invalid(source, target, 'it is not a directory');
      return { kind: 'file', ...split(target) };
    case 'other':
      throw invalid(source, target, 'it is neither a file nor a directory');
    case 'missing':
      return await missingTarget(source, target, kindOf);
    default:
      return kind satisfies never;
  }
}

/** Returns the last part of a path that is a name; empty for the root. */
export function nameOf(path: string): string {
  const name = posix.basename(posix.normalize(path));
  return name === '.' || name === '..' || name === '/' ? '' : name;
}

async function missingTarget(
  source: CopySource,
  target: string,
  kindOf: (path: string) => Promise<PathKind>,
): Promise<CopyTarget> {
  if (source.kind === 'file' && target.endsWith('/')) throw invalid(source, target, 'it does not exist');
  const place = split(posix.normalize(target).replace(/(?<=.)\/+$/, ''));
  if (place.name === '' || place.name === '.' || place.name === '..')
    throw invalid(source, target, 'it does not exist');
  const parent = await kindOf(place.dir);
  if (parent !== 'directory') throw invalid(source, target, `"${place.dir}" is not a directory`);
  if (source.kind === 'file') return { kind: 'file', ...place };
  return { kind: 'directory', dir: posix.join(place.dir, place.name) };
}

function split(path: string): { dir: string; name: string } {
  return { dir: posix.dirname(path), name: posix.basename(path) };
}

function invalid({ kind }: CopySource, target: string, why: string): AppError {
  return new AppError('COPY_TARGET_INVALID', `Cannot copy a ${kind} to "${target}": ${why}`, {
    hint: kind === 'file' ? 'name a directory that exists, or a path in one' : 'name a directory',
    details: { target },
  });
}

import { lstat, readdir, readlink } from 'node:fs/promises';
import { isErrno } from '../../../../base/errors.ts';
import { bytePath } from '../../byte-path.ts';
import { foldedName } from './unsafe-path.ts';

/** What the host has at a path of a guest. */
export type HostPlace =
  | { kind: 'nothing' }
  /** a file stands where the path has a folder */
  | { kind: 'below a file'; file: string }
  /** a link, or something else that is neither file nor folder, stands where the path has a folder */
  | { kind: 'below a link'; link: string }
  | { kind: 'file' | 'link'; stamp: FileStamp }
  | { kind: 'folder' | 'other' };

/** What changes when a file is written or replaced. */
export interface FileStamp {
  ino: string;
  sizeBytes: number;
  mtimeNs: string;
  mode: number;
}

/** Looks at paths of a working tree, each folder once. Paths are latin1. */
export class HostSide {
  readonly #root: string;
  readonly #folders = new Map<string, Promise<'folder' | 'file' | 'nothing' | 'other'>>();
  readonly #names = new Map<string, Promise<ReadonlyMap<string, readonly string[]>>>();

  constructor(root: string) {
    this.#root = root;
  }

  /** What is at a path; follows no link. */
  async look(path: string): Promise<HostPlace> {
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
      const folder = path.slice(0, end);
      const kind = await this.#folder(folder);
      if (kind === 'nothing') return { kind: 'nothing' };
      if (kind === 'file') return { kind: 'below a file', file: folder };
      if (kind === 'other') return { kind: 'below a link', link: folder };
    }
    const info = await lookAt(bytePath(this.#root, path));
    if (!info) return { kind: 'nothing' };
    if (info.kind === 'folder' || info.kind === 'other') return { kind: info.kind };
    return { kind: info.kind, stamp: info.stamp };
  }

  /** The files in a folder, to any depth, except those that `isGone`; stops at the first. */
  async anyFileIn(folder: string, isGone: (path: string) => boolean): Promise<string | undefined> {
    const entries = await readdir(bytePath(this.#root, folder), { withFileTypes: true, encoding: 'buffer' });
    for (const entry of entries) {
      const path = `${folder}/${entry.name.toString('latin1')}`;
      const found = entry.isDirectory()
        ? await this.anyFileIn(path, isGone)
        : isGone(path)
          ? undefined
          : path;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Names in `folder` that some file systems take for `name`; none when `name` itself is there. */
  async similarNames(folder: string, name: string): Promise<readonly string[]> {
    let names = this.#names.get(folder);
    if (!names) {
      names = this.#list(folder);
      this.#names.set(folder, names);
    }
    const found = (await names).get(foldedName(name)) ?? [];
    return found.includes(name) ? [] : found;
  }

  async #list(folder: string): Promise<ReadonlyMap<string, readonly string[]>> {
    const byFold = new Map<string, string[]>();
    for (const entry of await namesIn(bytePath(this.#root, folder))) {
      const name = entry.toString('latin1');
      const fold = foldedName(name);
      byFold.set(fold, [...(byFold.get(fold) ?? []), name]);
    }
    return byFold;
  }

  #folder(folder: string): Promise<'folder' | 'file' | 'nothing' | 'other'> {
    let kind = this.#folders.get(folder);
    if (!kind) {
      kind = lookAt(bytePath(this.#root, folder)).then((info) => {
        if (!info) return 'nothing';
        return info.kind === 'folder' || info.kind === 'file' ? info.kind : 'other';
      });
      this.#folders.set(folder, kind);
    }
    return kind;
  }
}

/** Kind and stamp of what is at a path; `undefined` when there is nothing. Follows no link at its end. */
export async function lookAt(
  path: Buffer,
): Promise<{ kind: 'file' | 'link' | 'folder' | 'other'; stamp: FileStamp } | undefined> {
  try {
    const info = await lstat(path, { bigint: true });
    const kind = info.isFile()
      ? 'file'
      : info.isSymbolicLink()
        ? 'link'
        : info.isDirectory()
          ? 'folder'
          : 'other';
    return {
      kind,
      stamp: {
        ino: String(info.ino),
        sizeBytes: Number(info.size),
        mtimeNs: String(info.mtimeNs),
        mode: Number(info.mode & 0o7777n),
      },
    };
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}

/** Whether a file was not written or replaced between two looks. */
export function isSameStamp(a: FileStamp | undefined, b: FileStamp | undefined): boolean {
  return (
    a?.ino === b?.ino && a?.sizeBytes === b?.sizeBytes && a?.mtimeNs === b?.mtimeNs && a?.mode === b?.mode
  );
}

/** The target of a link, latin1. */
export async function linkTarget(path: Buffer): Promise<string> {
  return (await readlink(path, { encoding: 'buffer' })).toString('latin1');
}

async function namesIn(path: Buffer): Promise<Buffer[]> {
  try {
    return await readdir(path, { encoding: 'buffer' });
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

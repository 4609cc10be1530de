import { constants } from 'node:fs';
import { chmod, lstat, open, readdir, realpath, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { isErrno } from '../../../base/errors.ts';
import { safeSettings } from '../../../base/git/repository-settings.ts';
import type { TarEntry } from '../../../base/tar/header.ts';
import { type GitRule, gitRule, isGitName } from './git-rules.ts';
import type { LeftOutList } from './left-out.ts';

/** A configuration of a repository has kilobytes. */
export const MAX_CONFIG_BYTES = 1024 * 1024;

const SLASH = Buffer.from('/');

/**
 * Decides what of the git repositories that a guest has written gets to this host. A repository may name
 * programs that git starts as soon as a shell's prompt, or an editor, asks it for the status. So settings are
 * copied by the list of harmless ones, hooks and what leads git to other folders stay out, in every folder
 * named `.git` and in every other folder that git would take for a repository.
 *
 * The guest chooses the order of its entries. A folder of any name becomes a repository by its file `HEAD`:
 * that is held back under another name until all else is there, and gets its own only when the folder is
 * none, or was made by this copy and has been cleaned.
 */
export class GitGuard {
  readonly #leftOut: LeftOutList;
  /**
   * names between the git folder that the target itself is in and the target, in lower case; absent outside
   * of any
   */
  readonly #rootInGit: readonly string[] | undefined;
  /** folders of this host, below the target, that git takes for repositories */
  readonly #repositories = new Set<string>();
  /**
   * places of the files `HEAD` that are held back, by their path below the target, and the names that they
   * have meanwhile
   */
  readonly #held = new Map<string, { folder: Buffer; from: Buffer; to: Buffer; isFolderNew: boolean }>();

  private constructor(leftOut: LeftOutList, rootInGit: readonly string[] | undefined) {
    this.#leftOut = leftOut;
    this.#rootInGit = rootInGit;
  }

  static async open(root: Buffer, leftOut: LeftOutList): Promise<GitGuard> {
    return new GitGuard(leftOut, await namesInGit(root));
  }

  /** Looks at a folder of the target that was there before. */
  async enterExisting(path: Buffer, key: string): Promise<void> {
    if (await isRepository(path)) this.#repositories.add(key);
  }

  /** What becomes of an entry, whose parts are plain names. */
  ruleOf(parts: readonly Buffer[], kind: TarEntry['kind']): GitRule {
    const names = parts.map((part) => part.toString('latin1'));
    if (isGitName(names.at(-1) ?? '') && kind !== 'directory') return 'leave';
    const inGit = this.#namesInGit(names);
    return inGit ? gitRule(inGit, { isDirectory: kind === 'directory', isFile: kind === 'file' }) : 'copy';
  }

  /**
   * Notes an entry that is left out by {@link ruleOf}; a folder that is left out with all that is in it
   * counts once.
   */
  noteLeft(parts: readonly Buffer[]): void {
    const inGit = this.#namesInGit(parts.map((part) => part.toString('latin1')));
    if (!inGit || inGit.length === 1 || inGit[0] === 'hooks') {
      this.#leftOut.add({ path: shown(parts), why: inGit?.[0] === 'hooks' ? 'hook' : whyOf(inGit?.[0]) });
    }
  }

  /** Whether a file must be written under another name for now. */
  isHeld(parts: readonly Buffer[]): boolean {
    const names = parts.map((part) => part.toString('latin1'));
    return names.at(-1)?.toLowerCase() === 'head' && this.#namesInGit(names)?.length !== 1;
  }

  /** Notes that what belongs at `to` is at `from`. */
  async hold(
    key: string,
    held: { folder: Buffer; from: Buffer; to: Buffer; isFolderNew: boolean },
  ): Promise<void> {
    const earlier = this.#held.get(key);
    this.#held.set(key, held);
    if (earlier) await unlink(earlier.from);
  }

  /** Where something is for now. */
  whereIs(key: string): Buffer | undefined {
    return this.#held.get(key)?.from;
  }

  /**
   * The harmless part of a configuration; `undefined` when nothing of it can be copied. Notes what is not in
   * it.
   */
  cleaned(content: Buffer | undefined, path: string): Buffer | undefined {
    const safe = content && safeSettings(content.toString('latin1'));
    if (!safe) {
      this.#leftOut.add({ path, why: 'settings' });
      return undefined;
    }
    if (safe.dropped.length > 0) this.#leftOut.add({ path, why: 'settings', settings: safe.dropped });
    return Buffer.from(safe.text, 'latin1');
  }

  /** Notes that a configuration stays as this host has it. */
  keepsOwn(parts: readonly Buffer[]): void {
    this.#leftOut.add({ path: shown(parts), why: 'settings' });
  }

  /** Gives what was held back its name, where that makes no repository that was not cleaned. */
  async finish(): Promise<void> {
    for (const [key, { folder, from, to, isFolderNew }] of this.#held) {
      if (await isRepository(folder, { hasHead: true })) {
        if (!isFolderNew) {
          this.#leftOut.add({ path: Buffer.from(key, 'latin1').toString(), why: 'bare-repository' });
          await unlink(from);
          continue;
        }
        await this.#clean(folder, key.slice(0, Math.max(0, key.lastIndexOf('/'))));
      }
      await rename(from, to);
    }
    this.#held.clear();
  }

  /** Removes what was held back, after a failure. */
  async abandon(): Promise<void> {
    for (const { from } of this.#held.values()) await rm(from, { force: true });
  }

  /** Cleans a folder all of which this copy has made, and which has no `HEAD` yet. */
  async #clean(folder: Buffer, key: string): Promise<void> {
    const prefix = key === '' ? '' : `${Buffer.from(key, 'latin1').toString()}/`;
    for (const entry of await readdir(folder, { withFileTypes: true, encoding: 'buffer' })) {
      const name = entry.name.toString('latin1').toLowerCase();
      const path = Buffer.concat([folder, SLASH, entry.name]);
      const rule = gitRule([name], { isDirectory: entry.isDirectory(), isFile: entry.isFile() });
      const told = prefix + entry.name.toString();
      if (rule === 'settings') await this.#cleanConfig(path, told);
      else if (rule === 'leave') {
        this.#leftOut.add({ path: told, why: whyOf(name) });
        await rm(path, { recursive: true });
      } else if (name === 'hooks') await this.#cleanHooks(path, told);
    }
  }

  async #cleanHooks(folder: Buffer, told: string): Promise<void> {
    for (const entry of await readdir(folder, { withFileTypes: true, encoding: 'buffer' })) {
      const names = ['hooks', entry.name.toString('latin1').toLowerCase()];
      if (gitRule(names, { isDirectory: entry.isDirectory(), isFile: entry.isFile() }) === 'copy') continue;
      this.#leftOut.add({ path: `${told}/${entry.name.toString()}`, why: 'hook' });
      await rm(Buffer.concat([folder, SLASH, entry.name]), { recursive: true });
    }
  }

  async #cleanConfig(path: Buffer, told: string): Promise<void> {
    const { mode } = await lstat(path);
    const text = this.cleaned(await readConfig(path), told);
    // Never over the file itself: it may have another name, by which it is something else.
    await unlink(path);
    if (!text) return;
    await writeFile(path, text, { flag: 'wx', mode: 0o600 });
    await chmod(path, mode & 0o777);
  }

  /** The names of an entry below the innermost git folder that it is in, in lower case. */
  #namesInGit(names: readonly string[]): string[] | undefined {
    for (let depth = names.length - 1; depth > 0; depth -= 1) {
      const isGit =
        isGitName(names[depth - 1] ?? '') || this.#repositories.has(names.slice(0, depth).join('/'));
      if (isGit) return lower(names.slice(depth));
    }
    return this.#rootInGit && [...this.#rootInGit, ...lower(names)];
  }
}

function lower(names: readonly string[]): string[] {
  return names.map((name) => name.toLowerCase());
}

function whyOf(name: string | undefined): 'settings' | 'git-folder' {
  return name === 'config' || name === 'config.worktree' ? 'settings' : 'git-folder';
}

function shown(parts: readonly Buffer[]): string {
  return parts.map((part) => part.toString()).join('/');
}

async function readConfig(path: Buffer): Promise<Buffer | undefined> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const { size } = await file.stat();
  return size > MAX_CONFIG_BYTES ? undefined : await file.readFile();
}

/** The names below the innermost git folder that a folder of this host is, or is in. */
async function namesInGit(path: Buffer): Promise<string[] | undefined> {
  const names = (await realpath(path)).split('/').slice(1);
  for (let depth = names.length; depth > 0; depth -= 1) {
    const folder = Buffer.from(`/${names.slice(0, depth).join('/')}`);
    if (isGitName(names[depth - 1] ?? '') || (await isRepository(folder))) return lower(names.slice(depth));
  }
  return undefined;
}

/**
 * Whether git takes a folder for a repository, or would if it had the file `HEAD` (gitrepository-layout(5)).
 */
async function isRepository(folder: Buffer, { hasHead = false } = {}): Promise<boolean> {
  const has = async (name: string): Promise<boolean> => {
    try {
      await lstat(Buffer.concat([folder, SLASH, Buffer.from(name)]));
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return false;
      throw error;
    }
  };
  if (!hasHead && !(await has('HEAD'))) return false;
  return (await has('commondir')) || ((await has('objects')) && (await has('refs')));
}

import { constants } from 'node:fs';
import { chmod, lstat, open, readdir, realpath, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { isErrno } from '../../../base/errors.ts';
import { safeSettings } from '../../../base/git/repository-settings.ts';
import type { TarEntry } from '../../../base/tar/header.ts';
import { ASK_AGENT } from '../../../protocol/workspace-state.ts';
import { type GitRule, gitRule, isGitName } from './git-rules.ts';
import type { LeftOutList } from './left-out.ts';

/** A real configuration of a repository has kilobytes. */
export const MAX_CONFIG_BYTES = 1024 * 1024;

const SLASH = Buffer.from('/');

/**
 * Decides which parts of git repositories from a guest are copied to this host. A repository may name
 * programs that git starts as soon as a shell prompt or an editor asks it for the status. So only harmless
 * settings, from a list, are copied; hooks and files that lead git to other folders are left out. This
 * applies to every folder named `.git` and to every other folder that git would take for a repository.
 *
 * The guest chooses the order of the entries. A folder of any name becomes a repository through its file
 * `HEAD`. So this file is written under another name until everything else is there. It gets its own name
 * only if the folder is not a repository, or this copy made the folder and has cleaned it.
 */
export class GitGuard {
  readonly #leftOut: LeftOutList;
  /**
   * path from the git folder that contains the target to the target, in lower case; absent when no git folder
   * contains it
   */
  readonly #rootInGit: readonly string[] | undefined;
  /** folders of this host, below the target, that git takes for repositories */
  readonly #repositories = new Set<string>();
  /**
   * the files `HEAD` that are held back, by their path below the target: where they belong, and their
   * temporary names
   */
  readonly #held = new Map<string, { folder: Buffer; from: Buffer; to: Buffer; isFolderNew: boolean }>();

  private constructor(leftOut: LeftOutList, rootInGit: readonly string[] | undefined) {
    this.#leftOut = leftOut;
    this.#rootInGit = rootInGit;
  }

  static async open(root: Buffer, leftOut: LeftOutList): Promise<GitGuard> {
    return new GitGuard(leftOut, await namesInGit(root));
  }

  /** Notes whether a folder that the target already had is a repository. */
  async enterExisting(path: Buffer, key: string): Promise<void> {
    if (await isRepository(path)) this.#repositories.add(key);
  }

  /** Returns the rule for an entry; `parts` must be plain names. */
  ruleOf(parts: readonly Buffer[], kind: TarEntry['kind']): GitRule {
    const names = parts.map((part) => part.toString('latin1'));
    if (isGitName(names.at(-1) ?? '') && kind !== 'directory') return 'leave';
    const inGit = this.#namesInGit(names);
    return inGit ? gitRule(inGit, { isDirectory: kind === 'directory', isFile: kind === 'file' }) : 'copy';
  }

  /**
   * Notes an entry that {@link ruleOf} leaves out. A folder that is left out counts once, with everything in
   * it.
   */
  noteLeft(parts: readonly Buffer[]): void {
    const inGit = this.#namesInGit(parts.map((part) => part.toString('latin1')));
    if (!inGit || inGit.length === 1 || inGit[0] === 'hooks') {
      this.#leftOut.add({ path: shown(parts), why: inGit?.[0] === 'hooks' ? 'hook' : whyOf(inGit?.[0]) });
    }
  }

  /** Returns whether a file must be written under another name for now. */
  isHeld(parts: readonly Buffer[]): boolean {
    const names = parts.map((part) => part.toString('latin1'));
    return names.at(-1)?.toLowerCase() === 'head' && this.#namesInGit(names)?.length !== 1;
  }

  /** Notes that the file for `to` is at `from` for now. */
  async hold(
    key: string,
    held: { folder: Buffer; from: Buffer; to: Buffer; isFolderNew: boolean },
  ): Promise<void> {
    const earlier = this.#held.get(key);
    this.#held.set(key, held);
    if (earlier) await unlink(earlier.from);
  }

  /** Returns the temporary path of a file that is held back. */
  whereIs(key: string): Buffer | undefined {
    return this.#held.get(key)?.from;
  }

  /**
   * Returns the harmless part of a configuration, or `undefined` when nothing of it can be copied. Notes what
   * it drops.
   */
  cleaned(content: Buffer | undefined, path: string): Buffer | undefined {
    const safe = content && safeSettings(content.toString('latin1'), { 'core.fsmonitor': ASK_AGENT });
    if (!safe) {
      this.#leftOut.add({ path, why: 'settings' });
      return undefined;
    }
    if (safe.dropped.length > 0) this.#leftOut.add({ path, why: 'settings', settings: safe.dropped });
    return Buffer.from(safe.text, 'latin1');
  }

  /** Notes that this host keeps its own configuration. */
  keepsOwn(parts: readonly Buffer[]): void {
    this.#leftOut.add({ path: shown(parts), why: 'settings' });
  }

  /** Renames the files that were held back, unless that would create a repository that was not cleaned. */
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

  /** Deletes the files that were held back, after a failure. */
  async abandon(): Promise<void> {
    for (const { from } of this.#held.values()) await rm(from, { force: true });
  }

  /** Cleans a folder that was made entirely by this copy and has no `HEAD` yet. */
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
    // Writes a new file instead of changing this one, which may have other names with another meaning (hard
    // links).
    await unlink(path);
    if (!text) return;
    await writeFile(path, text, { flag: 'wx', mode: 0o600 });
    await chmod(path, mode & 0o777);
  }

  /** Returns the path of an entry below its innermost git folder, in lower case. */
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

/**
 * Returns the path of a folder of this host below its innermost git folder, which may be the folder itself.
 */
async function namesInGit(path: Buffer): Promise<string[] | undefined> {
  const names = (await realpath(path)).split('/').slice(1);
  for (let depth = names.length; depth > 0; depth -= 1) {
    const folder = Buffer.from(`/${names.slice(0, depth).join('/')}`);
    if (isGitName(names[depth - 1] ?? '') || (await isRepository(folder))) return lower(names.slice(depth));
  }
  return undefined;
}

/**
 * Returns whether git takes a folder for a repository, or would if the file `HEAD` existed
 * (gitrepository-layout(5)).
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

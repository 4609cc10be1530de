import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import type { ExecResult } from '../../../base/process/exec.ts';
import type { GitCall } from '../git/git-command.ts';
import { nulList } from '../git/nul-list.ts';
import { quotePath } from '../git/staged-repository.ts';
import { gitOfKept, type KeptTree } from '../sent/kept-tree.ts';
import { parseTree, type TreeEntry } from '../sent/tree-changes.ts';

/**
 * Git for a merge: it reads the working tree, and the objects of the user's repository and of earlier pulls,
 * and writes only to an index and an object folder in `dir`. It has none of the user's settings, so it runs
 * no filter, hook or merge driver.
 */
export interface PullGit {
  kept: KeptTree;
  /** private temporary folder */
  dir: string;
  objectsPath: string;
  run(args: readonly string[], call: GitCall): Promise<ExecResult>;
}

/** Binds it; `pulledObjects` is the object folder of earlier pulls. */
export function pullGit(
  kept: KeptTree,
  { env, dir, pulledObjects }: { env: NodeJS.ProcessEnv; dir: string; pulledObjects: string },
): PullGit {
  const git = gitOfKept(kept, { env });
  const objectsPath = join(dir, 'objects');
  const sources = [join(kept.gitDir, 'objects'), pulledObjects, join(kept.commonDir, 'objects')];
  const own = {
    GIT_INDEX_FILE: join(dir, 'index'),
    GIT_OBJECT_DIRECTORY: objectsPath,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: sources.map(quotePath).join(':'),
  };
  return {
    kept,
    dir,
    objectsPath,
    run: (args, call) => git.run(args, { ...call, env: { ...own, ...call.env } }),
  };
}

/**
 * Makes an index of the tree that was sent, without file times, so that git reads each file that is added to
 * it. Returns the tree.
 */
export async function readSentTree(git: PullGit, { signal }: Abortable): Promise<Map<string, TreeEntry>> {
  await git.run(['read-tree', git.kept.commit], { signal });
  const { stdout } = await git.run(['ls-files', '--stage', '-z'], { signal });
  return parseTree(stdout);
}

/** Stores the present files and links at `paths`, latin1, and returns their entries. */
export async function storeHostFiles(
  git: PullGit,
  paths: readonly string[],
  { signal }: Abortable,
): Promise<Map<string, TreeEntry>> {
  if (paths.length === 0) return new Map();
  const input = Buffer.from(nulList(paths), 'latin1');
  await git.run(['update-index', '--add', '--replace', '-z', '--stdin'], { signal, input });
  const { stdout } = await git.run(['ls-files', '--stage', '-z'], { signal });
  const all = parseTree(stdout);
  const found = new Map<string, TreeEntry>();
  for (const path of paths) {
    const entry = all.get(path);
    if (entry) found.set(path, entry);
  }
  return found;
}

/**
 * Those of `paths` whose files have a filter and are as they were when the tree was sent, by their times:
 * only the filter, which is not run, could say by their content.
 */
export async function filteredUnchanged(
  git: PullGit,
  paths: readonly string[],
  { signal }: Abortable,
): Promise<Set<string>> {
  const filters = await attributeOf(git, 'filter', { paths, signal });
  const filtered = paths.filter((path) => !/^(unspecified|unset)$/.test(filters.get(path) ?? 'unset'));
  if (filtered.length === 0) return new Set();
  // The index that was kept has the times.
  const env = { GIT_INDEX_FILE: join(git.kept.gitDir, 'index') };
  const { stdout } = await git.run(['diff-files', '--name-only', '-z'], { signal, env });
  const changed = new Set(stdout.toString('latin1').split('\0'));
  for (const [path] of git.kept.unchecked) changed.add(path);
  return new Set(filtered.filter((path) => !changed.has(path)));
}

/** Values of an attribute of `paths`, as they are in the working tree. */
export async function attributeOf(
  git: PullGit,
  name: string,
  { paths, signal }: Abortable & { paths: readonly string[] },
): Promise<Map<string, string>> {
  if (paths.length === 0) return new Map();
  const input = Buffer.from(nulList(paths), 'latin1');
  const { stdout } = await git.run(['check-attr', '-z', '--stdin', name], { signal, input });
  const fields = stdout.toString('latin1').split('\0');
  const found = new Map<string, string>();
  for (let at = 0; at + 2 < fields.length; at += 3) found.set(fields[at] ?? '', fields[at + 2] ?? '');
  return found;
}

/** The content of a blob. */
export async function readBlob(git: PullGit, object: string, { signal }: Abortable): Promise<Buffer> {
  return (await git.run(['cat-file', 'blob', object], { signal })).stdout;
}

/** Stores a blob and returns its name. */
export async function storeBlob(git: PullGit, content: Buffer, { signal }: Abortable): Promise<string> {
  const { stdout } = await git.run(['hash-object', '-w', '--stdin'], { signal, input: content });
  return stdout.toString('latin1').trim();
}

import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../../base/errors.ts';
import { copyIfThere } from '../../../base/files/copy-if-there.ts';
import { linkFile, linkTree } from '../../../base/files/link-tree.ts';
import type { PackedWorkspace } from '../../../core/ports/workspace.ts';
import { USER_ATTRIBUTES } from '../config-files.ts';
import { type Git, gitAt, hostGitEnvironment, NO_PROGRAMS } from '../git/git-command.ts';
import type { Ref } from '../git/git-refs.ts';
import type { HostRepository } from '../git/git-repository.ts';
import type { HistoryPlan } from '../git/history.ts';
import { quotePath, type StagedRepository } from '../git/staged-repository.ts';
import { smallGitFiles } from './git-files.ts';
import { digestOf, type IndexFacts } from './index-facts.ts';
import { type KeptChoice, type KeptFacts, parseKeptFacts } from './kept-facts.ts';
import type { SentTree } from './stage-sent-tree.ts';

/**
 * What the host keeps with a VM about the tree that it was sent last:
 *
 *     sent.json   `KeptFacts`
 *     git/        a git folder over the user's working tree, of our own settings; its index has the tree's
 *                 entries with the host's file times, its objects are those that the user's repository lacks
 *
 * It only saves work: without it, the guest says which tree it has.
 */
export interface KeptTree extends KeptFacts {
  gitDir: string;
}

/** Everything about a sent tree that {@link keepTree} keeps. */
export interface KeepRequest {
  repository: HostRepository;
  staged: StagedRepository;
  sent: SentTree;
  index: IndexFacts;
  plan: HistoryPlan;
  choice: KeptChoice;
  summary: PackedWorkspace['summary'];
  /** as `KeptFacts` has it */
  submodules: readonly string[];
}

/**
 * Where a submodule's tree is kept, beside that of the repository that it is in. `folders` are those of the
 * submodule, of the one inside it, and so on.
 */
export function keptDir(dir: string, folders: readonly string[]): string {
  return folders.reduce((above, name) => `${above}-${digestOf(name).slice(0, 16)}`, dir);
}

/** Replaces what is kept in `dir`. A process that dies meanwhile leaves the old, or nothing. */
export async function keepTree(dir: string, request: KeepRequest): Promise<void> {
  const { repository, staged, sent, index, plan, choice, summary, submodules } = request;
  const next = `${dir}.new`;
  await rm(next, { recursive: true, force: true });
  const gitDir = join(next, 'git');
  await mkdir(join(gitDir, 'refs'), { recursive: true, mode: 0o700 });
  await Promise.all([
    // Copies, because tar may be reading these: a new link would look to it like a change.
    ...['HEAD', 'config', 'info'].map((name) => copyIfThere(join(staged.gitDir, name), join(gitDir, name))),
    linkFile(sent.indexPath, join(gitDir, 'index')),
    linkTree(sent.objectsPath, join(gitDir, 'objects')),
  ]);
  const facts: KeptFacts = {
    version: 1,
    commit: sent.commit,
    root: repository.root,
    commonDir: repository.commonDir,
    userGitDir: repository.gitDir,
    ...(staged.indexStamp === undefined ? {} : { indexStamp: staged.indexStamp }),
    head: staged.head,
    choice,
    summary,
    ...(index.gitlinks.length > 0 ? { gitlinks: index.gitlinks, submodules } : {}),
    settings: staged.settings,
    namesDigest: index.namesDigest,
    entriesDigest: index.entriesDigest,
    gitFiles: await smallGitFiles(staged),
    refs: carriedRefs(plan),
    refsDigest: refsDigest(plan.refs),
    cutAt: plan.cutAt,
    ...(sent.indexTree === undefined ? {} : { indexTree: sent.indexTree }),
    unchecked: [...sent.unchecked],
    ...(sent.deleted.length > 0 ? { deleted: sent.deleted } : {}),
    isPlain: isPlain(request),
  };
  await writeFile(join(next, 'sent.json'), JSON.stringify(facts));
  await rm(dir, { recursive: true, force: true });
  await rename(next, dir);
}

/** `KeptFacts` says what this is. */
function isPlain({ index, sent, choice }: KeepRequest): boolean {
  const isComplete = sent.deleted.length === 0 && !choice.isWithUntracked;
  return isComplete && index.isChecked && index.gitlinks.length === 0 && !sent.hasFiltered;
}

/** What is kept in `dir`; `undefined` when there is nothing, or another version of banger kept it. */
export async function readKept(dir: string): Promise<KeptTree | undefined> {
  try {
    const facts = parseKeptFacts(await readFile(join(dir, 'sent.json'), 'utf8'));
    return facts && { ...facts, gitDir: join(dir, 'git') };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** What is kept in `dir`, if it is the tree of `commit`. */
export async function readKeptOf(dir: string, commit: string | undefined): Promise<KeptTree | undefined> {
  const kept = await readKept(dir);
  return kept?.commit === commit ? kept : undefined;
}

/** Git over the user's working tree with the kept index. It changes nothing of the user's, nor the index. */
export function gitOfKept(kept: KeptTree, { env }: { env: NodeJS.ProcessEnv }): Git {
  return gitAt({
    folder: kept.root,
    env: {
      ...hostGitEnvironment(env),
      GIT_DIR: kept.gitDir,
      GIT_WORK_TREE: kept.root,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: quotePath(join(kept.commonDir, 'objects')),
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_ATTR_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      HOME: kept.gitDir,
      XDG_CONFIG_HOME: kept.gitDir,
    },
    config: [...NO_PROGRAMS, ...kept.settings, `core.attributesfile=${join(kept.gitDir, USER_ATTRIBUTES)}`],
  });
}

/** The refs of `plan` that the guest gets, by name. */
export function carriedRefs({ refs, carried }: HistoryPlan): Record<string, string> {
  const plain = refs.filter((ref) => !ref.target && carried.has(ref.name));
  return Object.fromEntries(plain.map(({ name, object }) => [name, object]));
}

/** A digest of all refs that could be carried. */
export function refsDigest(refs: readonly Ref[]): string {
  return digestOf(JSON.stringify(refs));
}

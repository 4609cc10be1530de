import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import type { DeltaBase } from '../../../core/ports/workspace.ts';
import { SHALLOW } from '../config-files.ts';
import type { Git } from '../git/git-command.ts';
import { type HistoryPlan, packReachable, resolveObjects } from '../git/history.ts';
import { quotePath } from '../git/staged-repository.ts';
import type { WorkspaceWork } from '../workspace-work.ts';
import type { GitFileNames } from './git-files.ts';
import { type KeptTree, refsDigest } from './kept-tree.ts';
import type { SentTree } from './stage-sent-tree.ts';

/** Everything that decides what a delta holds. */
export interface DeltaParts {
  base: DeltaBase;
  kept: KeptTree | undefined;
  /** `git ls-tree -r -z` of the guest's tree, when nothing is kept; absent when the guest was sent none */
  listing?: Buffer;
  sent: SentTree;
  plan: HistoryPlan;
  entriesDigest: string;
}

/** Object folders in which the trees sent before and now are found, for git in the staged repository. */
export function objectEnv(
  { repository, staged }: WorkspaceWork,
  { sent, kept }: DeltaParts,
): NodeJS.ProcessEnv {
  const folders = [
    ...(kept ? [join(kept.gitDir, 'objects')] : []),
    join(staged.gitDir, 'objects'),
    join(repository.commonDir, 'objects'),
  ];
  return {
    GIT_OBJECT_DIRECTORY: sent.objectsPath,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: folders.map(quotePath).join(':'),
  };
}

/** Packs the objects that the guest lacks into `meta`. */
export async function packNew(
  work: WorkspaceWork,
  {
    meta,
    gitFiles,
    sendsIndex,
    signal,
    ...parts
  }: DeltaParts & Abortable & { meta: string; gitFiles: GitFileNames; sendsIndex: boolean },
): Promise<void> {
  const { staged } = work;
  const { kept, sent, plan } = parts;
  const env = objectEnv(work, parts);
  const git: Git = {
    ...staged.git,
    run: (args, call) => staged.git.run(args, { ...call, env }),
  };
  const known = kept
    ? [kept.commit, ...Object.values(kept.refs), ...(kept.head.commit ? [kept.head.commit] : [])]
    : [];
  // A history that was cut ends elsewhere now: what the guest has of it is not all that its commits reach.
  const endsThere = kept !== undefined && endsAsSent(kept, gitFiles);
  const isSameHistory =
    endsThere &&
    kept.refsDigest === refsDigest(plan.refs) &&
    kept.head.commit === staged.head.commit &&
    kept.cutAt.join() === plan.cutAt.join();
  const isCut = !endsThere || plan.cutAt.length > 0 || kept.cutAt.length > 0;
  const excluded =
    isCut && !isSameHistory ? [] : [...(await resolveObjects(git, [...new Set(known)], { signal })).keys()];
  const stagedBlobs = sendsIndex ? await indexOnlyBlobs(work, { signal }) : [];
  const tips = [...(isSameHistory ? [] : plan.tips), sent.commit, ...stagedBlobs];
  const revisions = [...tips, ...excluded.map((name) => `^${name}`)];
  const name = await packReachable(staged, {
    ...{ revisions, withIndex: false, base: join(meta, 'pack'), env, signal },
  });
  if (staged.isPartial && name !== '') await writeFile(join(meta, `pack-${name}.promisor`), '');
}

/** Whether history ends at the same commits as what was sent. */
export function endsAsSent(kept: KeptTree, gitFiles: GitFileNames): boolean {
  return [SHALLOW, 'info/grafts'].every((name) => kept.gitFiles[name] === gitFiles[name]);
}

/** Objects that only the staged index names. */
async function indexOnlyBlobs({ staged }: WorkspaceWork, { signal }: Abortable): Promise<string[]> {
  const [entries, unmerged] = await Promise.all([
    staged.head.commit === undefined
      ? staged.git.run(['ls-files', '--stage', '-z'], { signal })
      : staged.git.run(['diff-index', '--cached', '--raw', '-z', '--no-renames', staged.head.commit], {
          signal,
        }),
    staged.git.run(['ls-files', '--unmerged', '-z'], { signal }),
  ]);
  const blobs = new Set<string>();
  for (const { stdout } of [entries, unmerged]) {
    for (const record of stdout.toString('latin1').split('\0')) {
      // Of a raw diff, the object after; of a listing, the only one. Not the commit of a submodule.
      const match = /^(?::\d{6} 1[02]0\d{3} [0-9a-f]+ |1[02]0\d{3} )([0-9a-f]{40,64}) /.exec(record);
      if (match?.[1] && !/^0+$/.test(match[1])) blobs.add(match[1]);
    }
  }
  return [...blobs];
}

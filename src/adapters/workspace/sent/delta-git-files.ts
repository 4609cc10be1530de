import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { copyIfThere } from '../../../base/files/copy-if-there.ts';
import { SENT_REF } from '../../../protocol/workspace-state.ts';
import type { Head } from '../git/staged-repository.ts';
import type { WorkspaceWork } from '../workspace-work.ts';
import type { GitFileChange } from './apply-script.ts';
import { type DeltaParts, packNew } from './delta-objects.ts';
import { smallGitFiles } from './git-files.ts';
import { carriedRefs } from './kept-tree.ts';

/** Writes what of `.git` differs to the folder `meta` of the delta. */
export async function writeGitChanges(
  work: WorkspaceWork,
  options: DeltaParts &
    Abortable & {
      meta: string;
      /** a file with a filter is among those that are sent */
      isFilteredChanged: boolean;
    },
): Promise<{
  files: GitFileChange[];
  /** the host has changed nothing of it since it was sent */
  isSame: boolean;
  movedBranches: ReadonlyMap<string, string | undefined>;
}> {
  const { meta, signal, isFilteredChanged, ...parts } = options;
  const { base, kept, sent, plan, entriesDigest } = parts;
  const { staged } = work;
  const gitFiles = await smallGitFiles(staged);
  const files = gitFileChanges(kept?.gitFiles ?? {}, gitFiles);
  for (const { name, after } of files) {
    if (!after) continue;
    await mkdir(dirname(join(meta, 'git', name)), { recursive: true });
    await cp(join(staged.gitDir, name), join(meta, 'git', name));
  }
  const refs = changedRefs(kept?.refs ?? {}, carriedRefs(plan), { guest: base.branches, head: staged.head });
  const lines = [...refs.lines, `update ${SENT_REF} ${sent.commit}\n`];
  await writeFile(join(meta, 'refs'), lines.join(''), 'latin1');
  const isHeadSame =
    kept?.head.commit === staged.head.commit && kept?.head.ref === staged.head.ref && kept !== undefined;
  const isGuestAtSent = kept !== undefined && base.headCommit === kept.head.commit;
  // A guest that was put on a branch of its own, and has done nothing there, stays on it.
  if (!isHeadSame || !isGuestAtSent || base.alsoPaths) {
    await cp(join(staged.gitDir, 'HEAD'), join(meta, 'HEAD'));
  }
  const isIndexSame = kept?.entriesDigest === entriesDigest;
  // The guest runs no filters: only an index of this host says that such a file is unchanged.
  const sendsIndex = !isIndexSame || !isGuestAtSent || isFilteredChanged || base.alsoPaths !== undefined;
  if (sendsIndex) {
    // There is none when nothing was ever added.
    await copyIfThere(join(staged.gitDir, 'index'), join(meta, 'index'));
    if (isGuestAtSent && kept.indexTree !== undefined) {
      await writeFile(join(meta, 'index-tree'), kept.indexTree);
    }
  }
  await packNew(work, { ...parts, meta, gitFiles, sendsIndex, signal });
  const isSame = isHeadSame && isIndexSame && files.length === 0 && refs.areSame;
  return { files, isSame: isSame && !base.alsoPaths, movedBranches: refs.branches };
}

function gitFileChanges(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): GitFileChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names
    .filter((name) => before[name] !== after[name])
    .map((name) => ({ name, before: before[name], after: after[name] }));
}

/** Lines for `git update-ref --stdin`, and the branches among them with the commits they were sent at. */
function changedRefs(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
  { guest, head }: { guest: ReadonlyMap<string, string>; head: Head },
): { lines: string[]; branches: Map<string, string | undefined>; areSame: boolean } {
  const lines: string[] = [];
  const branches = new Map<string, string | undefined>();
  let areSame = true;
  for (const [name, object] of Object.entries(after)) {
    if (before[name] !== object) areSame = false;
    // HEAD's branch is the host's again, also when only the guest has moved it.
    if (guest.get(name) === object || (before[name] === object && name !== head.ref)) continue;
    lines.push(`update ${name} ${object}\n`);
    if (name.startsWith('refs/heads/')) branches.set(name, before[name]);
  }
  for (const [name, object] of Object.entries(before)) {
    if (after[name] !== undefined) continue;
    areSame = false;
    // A branch that the host has deleted, and on which the guest has done nothing.
    if (guest.get(name) === object) lines.push(`delete ${name} ${object}\n`);
  }
  return { lines, branches, areSame };
}

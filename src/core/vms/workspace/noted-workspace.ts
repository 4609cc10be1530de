import type { VmWorkspace } from '../../../protocol/vm.ts';
import type { WorkspaceContent } from '../../ports/workspace.ts';

/** The working tree that a guest has now. */
export interface NotedTree extends Pick<VmWorkspace, 'guestPath'> {
  repoRoot: string;
  /** absent on a branch without commits */
  headCommit?: string | undefined;
  /** absent when it is not known which tree the guest has */
  sentCommit: string | undefined;
}

/** What a VM's record has about the working tree in its guest, of which `content` was sent. */
export function notedWorkspace(
  { guestPath, repoRoot, headCommit, sentCommit }: NotedTree,
  { includeUntracked, noSubmodules }: Pick<WorkspaceContent, 'includeUntracked' | 'noSubmodules'>,
): VmWorkspace {
  return {
    guestPath,
    sourcePath: repoRoot,
    ...(headCommit === undefined ? {} : { headCommit }),
    ...(sentCommit === undefined ? {} : { sentCommit }),
    ...(includeUntracked ? { includesUntracked: true } : {}),
    ...(noSubmodules ? { excludesSubmodules: true } : {}),
  };
}

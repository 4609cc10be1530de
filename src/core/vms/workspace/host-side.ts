import type { Abortable } from '../../../base/abort.ts';
import type { VmWorkspace } from '../../../protocol/vm.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { WorkspaceSource } from '../../ports/workspace.ts';
import type { VmHost } from '../world.ts';

/**
 * A VM's workspace together with how the working tree on the host compares with it now. Without knowledge of
 * the tree that was sent, only HEAD is compared.
 */
export async function withHostSide(
  world: Pick<VmHost, 'files'> & { workspaces: WorkspaceSource },
  { id }: Pick<VmRecord, 'id'>,
  { workspace, signal }: Abortable & { workspace: VmWorkspace },
): Promise<VmWorkspace> {
  const { sourcePath, sentCommit, headCommit } = workspace;
  const { sentTreeDir } = world.files.folders(id);
  const change =
    sentCommit === undefined
      ? undefined
      : await world.workspaces.changeSince(sentTreeDir, { sentCommit, signal });
  const hostHeadCommit = change ? change.headCommit : await world.workspaces.head(sourcePath, { signal });
  const isStale = change
    ? change.kind === 'head' || change.kind === 'files'
    : hostHeadCommit !== undefined && hostHeadCommit !== headCommit;
  return { ...workspace, ...(hostHeadCommit === undefined ? {} : { hostHeadCommit }), isStale };
}

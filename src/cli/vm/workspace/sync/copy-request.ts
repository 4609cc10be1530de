import type { PrepareWorkspaceRequest } from '../../../../protocol/api/workspace.ts';
import type { VmWorkspace } from '../../../../protocol/vm.ts';

/** The request that copies a working tree again, in the way in which it was copied. */
export function copyRequestOf({
  sourcePath,
  guestPath,
  includesUntracked,
  excludesSubmodules,
}: VmWorkspace): PrepareWorkspaceRequest & { guestPath: string } {
  return {
    path: sourcePath,
    guestPath,
    ...(includesUntracked ? { includeUntracked: true } : {}),
    ...(excludesSubmodules ? { noSubmodules: true } : {}),
  };
}

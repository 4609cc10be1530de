import { isAbsolute, posix, relative } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import type { VmWorkspace } from '../../protocol/vm.ts';
import type { BangerClient } from '../../sdk/client.ts';
import type { CommandContext } from '../context/context.ts';

/** The part of a workspace that decides the start folder. */
export type Workspace = Pick<VmWorkspace, 'guestPath' | 'sourcePath'>;

/**
 * Returns the folder of the guest's workspace that is a copy of `cwd`, or its top folder when `cwd` is
 * outside of the repository that was copied. The guest may lack the folder.
 */
export function matchingFolder({ guestPath, sourcePath }: Workspace, cwd: string): string {
  const below = relative(sourcePath, cwd);
  if (below === '' || below === '..' || below.startsWith('../') || isAbsolute(below)) return guestPath;
  return posix.join(guestPath, below);
}

/**
 * Returns the guest's folder in which a command starts: {@link matchingFolder} for our own folder. When the
 * guest lacks it, prints a notice and returns the workspace's top folder. Asks the guest only about
 * subfolders.
 */
export async function startFolder(
  vmId: string,
  workspace: Workspace,
  { client, context }: { client: BangerClient; context: CommandContext },
): Promise<string> {
  const { guestPath } = workspace;
  const folder = matchingFolder(workspace, context.io.cwd);
  if (folder === guestPath || (await isFolder(client, vmId, folder, context))) return folder;
  context.notice(`the VM has no folder ${folder}; starting in ${guestPath}`);
  return guestPath;
}

async function isFolder(
  client: BangerClient,
  vmId: string,
  path: string,
  { signal }: Abortable,
): Promise<boolean> {
  try {
    return (await client.statInGuest(vmId, path, { signal })).kind === 'directory';
  } catch (error) {
    if (isAppError(error, 'GUEST_PATH_NOT_FOUND')) return false;
    throw error;
  }
}

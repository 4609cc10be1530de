import assert from 'node:assert/strict';
import { neverAborts } from '../../src/base/abort.ts';
import { AppError } from '../../src/base/errors.ts';
import type { PreparedWorkspace, PrepareWorkspaceRequest } from '../../src/protocol/api/workspace.ts';
import { resultOf } from '../../src/sdk/work.ts';
import type { DaemonLab } from './daemon-lab.ts';

const signal = neverAborts();

/** Copies a working tree into the VM `web` of a lab. */
export async function prepareIn(
  lab: DaemonLab,
  root: string,
  guestPath: string,
  more: Omit<PrepareWorkspaceRequest, 'path'> = {},
): Promise<PreparedWorkspace> {
  return await resultOf(lab.client.prepareWorkspace('web', { path: root, guestPath, ...more }, { signal }));
}

/** The paths with which that is refused; fails when it is not. */
export async function refusedPathsIn(lab: DaemonLab, root: string, guest: string): Promise<string[]> {
  try {
    await prepareIn(lab, root, guest);
  } catch (error) {
    assert.ok(error instanceof AppError && error.code === 'WORKSPACE_GUEST_CHANGED', String(error));
    return error.details?.['paths'] as string[];
  }
  return assert.fail('nothing was refused');
}

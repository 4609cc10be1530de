import type { Abortable } from '../../../base/abort.ts';
import { GUEST_DIFFERS } from '../../../protocol/workspace-state.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { PackedWorkspace } from '../../ports/workspace.ts';
import { type ApplyStep, addedPath, applyAllCommand, stepLines } from './copy-journal.ts';
import { gitFailed } from './guest-tree.ts';
import type { StagedUpdate, UpdateRequest } from './update-workspace.ts';

/** A submodule that the guest does not have yet. */
export interface NewSubmodule {
  request: UpdateRequest;
  packed: PackedWorkspace & AsyncDisposable;
}

/** How often the changes are tried while the guest keeps changing the same files. */
const TRIES = 3;

/** Applies what was staged, and what is added, all of it or nothing. Returns how many bytes were sent. */
export async function applyTogether(
  agent: GuestAgent,
  {
    updates,
    added,
    onChange,
  }: { updates: readonly StagedUpdate[]; added: readonly NewSubmodule[]; onChange: () => void },
): Promise<number> {
  const [first] = updates;
  if (!first) return 0;
  let bytes = updates.reduce((sum, update) => sum + update.bytes, 0);
  if (updates.length + added.length === 1) {
    onChange();
    await first.apply();
    return bytes;
  }
  const { guestPath, signal } = first.request;
  const check = async (): Promise<ApplyStep[]> => {
    const steps: ApplyStep[] = [];
    for (const update of updates) {
      const how = await update.check();
      if (how) steps.push({ do: 'update', folder: folderOf(update.request), how });
    }
    return steps;
  };
  let steps = await check();
  const moves: ApplyStep[] = [];
  for (const [number, { request, packed }] of added.entries()) {
    const sent = await agent.putTar(addedPath(guestPath, number), packed.tar, { signal });
    await packed.done;
    bytes += sent.bytes;
    moves.push({ do: 'add', folder: folderOf(request), number });
  }
  if (steps.length + moves.length === 0) return bytes;
  onChange();
  for (
    let tries = 1;
    !(await applyAll(agent, guestPath, { steps: [...steps, ...moves], signal }));
    tries += 1
  ) {
    if (tries === TRIES) throw gitFailed('apply the changes', Buffer.from('files there keep changing'));
    steps = await check();
  }
  return bytes;
}

/** The folder of a submodule below the first repository; empty for that. */
function folderOf({ below = '' }: UpdateRequest): string {
  return below.replace(/\/$/, '');
}

/**
 * Takes all steps in the guest, or none: returns false, with nothing changed, when something is in the way
 * that was not there before. @throws {AppError} GUEST_*
 */
async function applyAll(
  agent: GuestAgent,
  guestPath: string,
  { steps, signal }: Abortable & { steps: readonly ApplyStep[] },
): Promise<boolean> {
  const input = Buffer.from(stepLines(steps));
  const { exit, stderr } = await agent.run({ argv: applyAllCommand(guestPath) }, { signal, input });
  const status = 'code' in exit ? exit.code : undefined;
  if (status === GUEST_DIFFERS) return false;
  if (status !== 0) throw gitFailed('apply the changes', stderr);
  return true;
}

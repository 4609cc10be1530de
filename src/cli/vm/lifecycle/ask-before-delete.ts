import { withDeadline } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { Vm } from '../../../protocol/vm.ts';
import { resolveVmRef } from '../../../protocol/vm-ref.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import { workspaceChanges } from '../../../sdk/workspace/workspace-changes.ts';
import { confirm } from '../../context/confirm.ts';
import type { CommandContext } from '../../context/context.ts';

/** Time limit for the guests to report whether they hold changes, in `ms`; all are asked at the same time. */
const ASK_GUEST_MS = 5_000;

/** Why to ask before deleting a VM; absent when nothing of its workspace would be lost. */
type Doubt = 'changed' | 'unknown';

/**
 * Asks the user before VMs are deleted if one of them is running and has changes in its workspace that were
 * not exported, or does not answer within 5 s. Returns false when the user says no; returns true without a
 * question when nothing would be lost.
 */
export async function mayDelete(refs: readonly string[], context: CommandContext): Promise<boolean> {
  const client = await context.client();
  const all = await client.listVms({ isAll: true, signal: context.signal });
  const meant = new Set(refs.flatMap((ref) => vmsOf(all, ref)));
  context.progress.step('vm delete', 'checking for changes that were not exported');
  const looked = await Promise.all(
    [...meant].map(async (vm) => ({ name: vm.name, doubt: await doubtOf(vm, { client, context }) })),
  );
  const named = (wanted: Doubt): string[] =>
    looked.filter(({ doubt }) => doubt === wanted).map(({ name }) => name);
  const [changed, unknown] = [named('changed'), named('unknown')];
  if (changed.length + unknown.length === 0) return true;
  for (const name of changed) {
    context.notice(
      `vm "${name}" has changes that were not exported; to see them: banger vm workspace export ${name}`,
    );
  }
  for (const name of unknown) {
    context.notice(`vm "${name}" does not say whether it has changes that were not exported`);
  }
  const what = meant.size === 1 ? `vm "${looked[0]?.name}"` : `all ${meant.size} VMs`;
  if (await confirm(`Delete ${what}, and the changes with it?`, context)) return true;
  context.notice('nothing was deleted');
  return false;
}

/** Returns no VM for a name that fits none or several: deleting it then reports the error. */
function vmsOf(all: readonly Vm[], ref: string): Vm[] {
  try {
    return [resolveVmRef(all, ref)];
  } catch (error) {
    if (isAppError(error)) return [];
    throw error;
  }
}

async function doubtOf(
  { id, state, workspace }: Vm,
  { client, context: { signal } }: { client: BangerClient; context: CommandContext },
): Promise<Doubt | undefined> {
  if (state !== 'running' || !workspace) return undefined;
  try {
    const changes = await withDeadline(
      (inner) => workspaceChanges(client, id, { guestPath: workspace.guestPath, signal: inner }),
      { signal, deadlineMs: ASK_GUEST_MS, what: 'the guest to report its changes' },
    );
    if (changes === 'none') return undefined;
    return changes === 'unexported' ? 'changed' : 'unknown';
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    return 'unknown';
  }
}

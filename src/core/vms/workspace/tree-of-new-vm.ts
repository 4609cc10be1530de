import type { Abortable } from '../../../base/abort.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { WorkspaceChoice } from '../../../protocol/api/workspace.ts';
import type { StoredBase, WorkDiskBases } from '../../ports/work-disk-bases.ts';
import type { OpenedWorkspace, PackedWorkspace, WorkspaceSource } from '../../ports/workspace.ts';
import type { EarlyClaim } from '../pool/early-claim.ts';

/** A working tree for a VM that does not exist yet. Disposing ends its packing. */
export interface TreeOfNewVm extends AsyncDisposable {
  choice: WorkspaceChoice;
  summary: PackedWorkspace['summary'];
  /** Whether `base` had exactly this tree when the tree was opened; `undefined`: they were not compared. */
  isIn(base: StoredBase): boolean | undefined;
  /** a pool VM that was set aside for the start; disposing of the tree ends it unless a start has taken it */
  early?: EarlyClaim;
  /** Packs the tree; errors as `WorkspaceSource.open`. A second call ends what the first one began. */
  pack(options: Abortable): Promise<PackedWorkspace>;
}

/** Whether a VM began with a working tree on its disk, and whether that is the one to be sent. */
export type BeganWith = 'same tree' | 'older tree' | 'nothing';

type Opened = OpenedWorkspace & AsyncDisposable;

/**
 * A base that takes at most so much of the disk is made again when anything has changed: that takes less time
 * than the programs that apply a change in an emulated guest.
 */
export const QUICKLY_MADE_BYTES = 128 * 2 ** 20;

/**
 * Opens a working tree for a new VM. If the base image of its repository that was used last has exactly this
 * tree, nothing has to be packed, and git reads the tree only to compare them. Meanwhile the VM that
 * `claimEarly` sets aside for a start over that base gets ready for it.
 *
 * @throws {AppError} as `WorkspaceSource.open`
 */
export async function openTree(
  world: { bases: Pick<WorkDiskBases, 'ofTree'>; workspaces: WorkspaceSource },
  choice: WorkspaceChoice,
  {
    signal,
    claimEarly,
  }: Abortable & { claimEarly?: (base: StoredBase | undefined) => EarlyClaim | undefined },
): Promise<TreeOfNewVm> {
  await using undo = new ResourceStack();
  const { path, ...content } = choice;
  let opened: Opened | undefined;
  let isPacked = false;
  const close = async (): Promise<void> => {
    const one = opened;
    opened = undefined;
    isPacked = false;
    await one?.[Symbol.asyncDispose]();
  };
  const open = async (call: Abortable): Promise<Opened> => {
    opened ??= await world.workspaces.open(path, { ...content, ...call });
    return opened;
  };
  undo.defer('end the packing', close);
  const base = await world.bases.ofTree(path);
  const early = claimEarly?.(base);
  undo.defer('end the VM that was set aside', async () => {
    await early?.[Symbol.asyncDispose]();
  });
  // A large one is used even if the tree has changed.
  if (base && base.diskBytes > QUICKLY_MADE_BYTES) early?.prepare(base);
  const same = base && (await sameAsBase(world.workspaces, base, { choice, signal }));
  if (base && same) early?.prepare(base);
  // The name of a branch is checked when the tree is opened.
  const isKnown = same !== undefined && choice.branch === undefined;
  const summary = isKnown ? same : (await open({ signal })).summary;
  const owned = undo.move();
  return {
    choice,
    summary,
    ...(early ? { early } : {}),
    isIn: ({ key, createdAt }) =>
      base?.key === key && base.createdAt === createdAt ? same !== undefined : undefined,
    pack: async (call) => {
      if (isPacked) await close();
      const packed = (await open(call)).pack();
      isPacked = true;
      return packed;
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** The summary of the working tree, if the base has what would be sent now; ignores the branch to make. */
export async function sameAsBase(
  workspaces: Pick<WorkspaceSource, 'sameAsSent'>,
  { sentDir, sentCommit }: { sentDir: string; sentCommit: string },
  { choice, signal }: Abortable & { choice: WorkspaceChoice },
): Promise<PackedWorkspace['summary'] | undefined> {
  const { branch: _, from: __, ...content } = choice;
  return await workspaces.sameAsSent(sentDir, { ...content, sentCommit, signal });
}

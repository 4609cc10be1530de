import { ResourceStack } from '../../../base/resource-stack.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type {
  PackedDelta,
  PackedWorkspace,
  WorkspaceContent,
  WorkspaceSource,
} from '../../ports/workspace.ts';
import { copyFirst } from './first-copy.ts';
import { type StagedUpdate, stageUpdate, type UpdateRequest } from './update-workspace.ts';

/** How a guest got a tree, and those of submodules in it. Disposing ends the packing. */
export interface UpdateResult extends AsyncDisposable {
  /** of the working tree that was asked for */
  packed: PackedDelta;
  summary: PackedDelta['summary'];
  bytes: number;
  /** Notes what each repository was sent. Returns the commit of the first, as `PackedWorkspace.keep`. */
  keep(): Promise<string | undefined>;
}

/** A submodule that the guest does not have yet. */
interface NewSubmodule {
  request: UpdateRequest;
  packed: PackedWorkspace & AsyncDisposable;
}

/**
 * Gives a guest that has files at `guestPath` the working tree of the host, and each submodule that has a
 * repository on the host, as {@link stageUpdate} does. All of them are sent and checked before one is
 * changed; then one after the other has the old tree or the new one.
 *
 * Returns `undefined` when the guest has nothing at `guestPath`.
 *
 * @throws {AppError} as {@link stageUpdate}
 */
export async function updateWorkspace(
  source: WorkspaceSource,
  agent: GuestAgent,
  request: UpdateRequest,
): Promise<UpdateResult | undefined> {
  await using undo = new ResourceStack();
  const updates: StagedUpdate[] = [];
  const added: NewSubmodule[] = [];
  const names: string[] = [];
  const stage = async (one: UpdateRequest, name: string): Promise<boolean> => {
    const update = await stageUpdate(source, agent, one);
    if (!update) return false;
    undo.defer('end the packing', async () => {
      await update.packed[Symbol.asyncDispose]();
    });
    updates.push(update);
    const { repoRoot, submodules = [] } = update.packed.summary;
    for (const folder of submodules) {
      const full = name === '' ? folder : `${name}/${folder}`;
      const inside = submoduleRequest(source, one, { repoRoot, folder });
      names.push(full);
      if (await stage(inside, full)) continue;
      const { path, content, signal } = inside;
      const packed = await source.pack(path, { ...content, signal });
      undo.defer('end the packing', async () => {
        await packed[Symbol.asyncDispose]();
      });
      names.push(...(packed.summary.submodules ?? []).map((each) => `${full}/${each}`));
      added.push({ request: inside, packed });
    }
    return true;
  };
  if (!(await stage(request, ''))) return undefined;
  const [first] = updates;
  if (!first) return undefined;
  if (updates.length + added.length > 1) for (const update of updates) await update.check();
  let bytes = 0;
  for (const update of updates) {
    await update.apply();
    bytes += update.bytes;
  }
  for (const {
    request: { guestPath, signal },
    packed,
  } of added) {
    bytes += await copyFirst(agent, guestPath, { packed, signal });
  }
  const owned = undo.move();
  const submodules = names.length > 0 ? { submodules: names } : {};
  return {
    packed: first.packed,
    summary: { ...first.packed.summary, ...submodules },
    bytes,
    keep: async () => {
      for (const {
        request: { keptIn },
        packed,
      } of [...updates.slice(1), ...added])
        await packed.keep(keptIn);
      return await first.packed.keep(request.keptIn);
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** A branch is made only in the repository that was asked for. */
function submoduleRequest(
  source: WorkspaceSource,
  request: UpdateRequest,
  { repoRoot, folder }: { repoRoot: string; folder: string },
): UpdateRequest {
  const { branch: _, from: __, ...content } = request.content satisfies WorkspaceContent;
  return {
    ...request,
    path: `${repoRoot}/${folder}`,
    guestPath: `${request.guestPath}/${folder}`,
    below: `${request.below ?? ''}${folder}/`,
    content,
    keptIn: source.keptDir(request.keptIn, folder),
  };
}

import { ResourceStack } from '../../../base/resource-stack.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { PackedDelta, WorkspaceContent, WorkspaceSource } from '../../ports/workspace.ts';
import { applyTogether, type NewSubmodule } from './apply-all.ts';
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

/**
 * Gives a guest that has files at `guestPath` the working tree of the host, and each submodule that has a
 * repository on the host, as {@link stageUpdate} does. All of them are sent and checked before one is
 * changed; then, also when the host or the guest is killed, all have their old trees or get the new ones
 * (`copy-journal.ts`). `onChange` is called before the first change.
 *
 * Returns `undefined` when the guest has nothing at `guestPath`.
 *
 * @throws {AppError} as {@link stageUpdate}
 */
export async function updateWorkspace(
  source: WorkspaceSource,
  agent: GuestAgent,
  { onChange, ...request }: UpdateRequest & { onChange: () => void },
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
  const bytes = await applyTogether(agent, { updates, added, onChange });
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
  const { look: ___, ...rest } = request;
  return {
    ...rest,
    path: `${repoRoot === '/' ? '' : repoRoot}/${folder}`,
    guestPath: `${request.guestPath}/${folder}`,
    below: `${request.below ?? ''}${folder}/`,
    content,
    keptIn: source.keptDir(request.keptIn, folder),
  };
}

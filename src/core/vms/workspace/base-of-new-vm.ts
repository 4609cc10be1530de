import { neverAborts } from '../../../base/abort.ts';
import type { KeyedMutex } from '../../../base/async.ts';
import { isAbort, isAppError } from '../../../base/errors.ts';
import type { CreateVmRequest } from '../../../protocol/api/vm-requests.ts';
import type { WorkspaceChoice } from '../../../protocol/api/workspace.ts';
import type { Task } from '../../../protocol/events.ts';
import { homeOf, workspaceOf } from '../../../protocol/guest-user.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { BaseRequest, UsableBase } from '../../ports/work-disk-bases.ts';
import type { WorkspaceSource } from '../../ports/workspace.ts';
import { resolveShape } from '../../rules/vm-shape.ts';
import { wantedImage } from '../plan/find-image.ts';
import { type CacheWorld, pruneBases } from '../saved/prune-cache.ts';
import type { BootStores, Saving, VmDefaults, VmHost, Vms, WarmStarts } from '../world.ts';
import { notedWorkspace } from './noted-workspace.ts';
import { type BeganWith, QUICKLY_MADE_BYTES, sameAsBase, type TreeOfNewVm } from './tree-of-new-vm.ts';

/** What finding a base for a new VM works on. */
export type BaseWorld = Pick<BootStores, 'images'> &
  VmDefaults &
  CacheWorld &
  Pick<WarmStarts, 'makingBases'> &
  Pick<Vms, 'log'> & { workspaces: WorkspaceSource };

/** The folder of the working tree on the work disk, which is mounted at the home of each user. */
const FOLDER = workspaceOf(undefined).slice(homeOf(undefined).length + 1);

/**
 * The base image from which a new VM with a working tree starts: the one in the cache, or one that is made
 * now from the tree; a small one is made again when the tree has changed. Returns `undefined` when there can
 * be none: the image is still to be built, or the tree cannot be put on a disk this way. It then gets to the
 * guest through the link. The caller disposes of `base`.
 *
 * @throws {AppError} VM_SHAPE_INVALID; WORKSPACE_* when the tree cannot be read; the abort reason
 */
export async function baseOfNewVm(
  world: BaseWorld,
  request: CreateVmRequest,
  { tree, report, signal }: Task & { tree: TreeOfNewVm },
): Promise<{ base: UsableBase; beganWith: BeganWith } | undefined> {
  const { choice, summary } = tree;
  const { diskSizeBytes } = resolveShape(request, world);
  let image: BaseRequest['image'];
  try {
    const wanted = wantedImage(world.images, request.image ?? world.defaultImage, request.platform);
    image = await world.images.get(wanted.name);
  } catch (error) {
    if (isAppError(error, 'IMAGE_NOT_FOUND', 'IMAGE_DAMAGED')) return undefined;
    throw error;
  }
  const wanted: BaseRequest = {
    repoRoot: summary.repoRoot,
    folder: FOLDER,
    content: choice,
    image,
    diskSizeBytes,
  };
  const find = async (): Promise<{ base: UsableBase; beganWith: BeganWith } | undefined> => {
    const found = await world.bases.use(wanted, { signal });
    if (!found) return undefined;
    try {
      const isLarge = found.diskBytes > QUICKLY_MADE_BYTES;
      // What has changed since a large one was made is sent later, which compares them as well.
      const isSame =
        tree.isIn(found) ?? (!isLarge && (await sameAsBase(world.workspaces, found, { choice, signal })));
      if (isSame) return { base: found, beganWith: 'same tree' };
      if (isLarge) return { base: found, beganWith: 'older tree' };
    } catch (error) {
      found[Symbol.dispose]();
      throw error;
    }
    found[Symbol.dispose]();
    return undefined;
  };
  const make = async (): Promise<{ base: UsableBase; beganWith: BeganWith } | undefined> => {
    // Another start may just have made it.
    const found = await find();
    if (found) return found;
    report({ event: 'progress', stage: 'workspace', detail: 'making a work disk' });
    const packed = await tree.pack({ signal });
    await world.bases.make(wanted, { packed, signal });
    const made = await world.bases.use(wanted, { signal });
    return made && { base: made, beganWith: 'same tree' };
  };
  try {
    const found = await find();
    if (found) return found;
    const made = await world.makingBases.run(wanted.repoRoot, make, { signal });
    void pruneQuietly(world);
    return made;
  } catch (error) {
    signal.throwIfAborted();
    if (isAbort(error) || !isAppError(error, ...NO_BASE)) throw error;
    world.log.warn('a base image could not be made', { repository: wanted.repoRoot, error });
    return undefined;
  }
}

/** Errors after which the tree can still get to the guest through the link. */
const NO_BASE = ['WORKSPACE_BASE_FAILED', 'HOST_NO_SPACE', 'DIR_NOT_PRIVATE'];

/**
 * Notes that the guest of a new VM has the tree of its base: what is sent later is only what differs. Does
 * nothing when a tree was copied to the VM meanwhile. Best effort: without the note, a later copy asks the
 * guest which tree it has.
 */
export async function noteBase(
  world: Pick<Vms, 'records' | 'log'> & Pick<VmHost, 'files'> & { preparing: KeyedMutex },
  { id }: Pick<VmRecord, 'id'>,
  { base, choice }: { base: UsableBase; choice: WorkspaceChoice },
): Promise<void> {
  const note = async (): Promise<void> => {
    if (!hasNoTree(world.records.get(id))) return;
    try {
      await base.copySent(world.files.folders(id).sentTreeDir);
    } catch (error) {
      world.log.warn('what the base image of a VM has could not be noted', { vmId: id, error });
    }
    const current = world.records.get(id);
    if (!hasNoTree(current)) return;
    const workspace = notedWorkspace({ ...base, guestPath: workspaceOf(current.user) }, choice);
    world.records.update({ ...current, workspace: { ...workspace, isFromBase: true } });
  };
  // The VM exists whatever happens to the request.
  await world.preparing.run(id, note, { signal: neverAborts() });
}

function hasNoTree(record: VmRecord | undefined): record is VmRecord {
  return record !== undefined && record.workspace === undefined;
}

/** `bytes` of changes to send after which making the base again is worth it. */
const LARGE_DELTA_BYTES = 8 * 2 ** 20;

/**
 * Makes the base of a VM's repository again, in the background, when the VM began with it and then needed
 * many changes. Failures are logged.
 */
export function remakeIfFarBehind(
  world: BaseWorld & Pick<Saving, 'background'>,
  { shape, imageId, workspace }: Pick<VmRecord, 'shape' | 'imageId' | 'workspace'>,
  { choice, bytes }: { choice: WorkspaceChoice; bytes: number },
): void {
  if (!workspace?.isFromBase || bytes < LARGE_DELTA_BYTES) return;
  const { path, branch: _, from: __, ...content } = choice;
  const { sourcePath: repoRoot } = workspace;
  const signal = AbortSignal.timeout(REMAKE_DEADLINE_MS);
  world.background.begin(`base of ${repoRoot}`, async () => {
    try {
      const image = await world.images.getById(imageId);
      await using packed = await world.workspaces.pack(path, { ...content, signal });
      const { diskSizeBytes } = shape;
      const wanted = { repoRoot, folder: FOLDER, content, image, diskSizeBytes };
      await world.bases.make(wanted, { packed, signal });
      await pruneBases(world, {});
    } catch (error) {
      world.log.warn('a base image could not be made again', { repository: repoRoot, error });
    }
  });
}

/** `ms` for making a base in the background: a large repository on a busy host. */
const REMAKE_DEADLINE_MS = 5 * 60_000;

/** Keeps the base images within the disk budget; failures are logged. */
async function pruneQuietly(world: CacheWorld & Pick<Vms, 'log'>): Promise<void> {
  try {
    await pruneBases(world, {});
  } catch (error) {
    world.log.warn('pruning base images failed', { error });
  }
}

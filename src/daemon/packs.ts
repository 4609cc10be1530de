import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { OpenedBefore } from '../core/vms/workspace/prepare-workspace.ts';
import type { BeganWith, TreeOfNewVm } from '../core/vms/workspace/tree-of-new-vm.ts';
import type { PrepareWorkspaceRequest } from '../protocol/api/workspace.ts';

/** Working trees that were opened for VMs that do not exist yet. */
export class Packs implements AsyncDisposable {
  readonly #packs = new Map<string, OpenedBefore>();

  /** Keeps `tree` until it is taken or removed; returns its id. */
  add(tree: TreeOfNewVm): string {
    const id = randomBytes(8).toString('hex');
    this.#packs.set(id, { tree, beganWith: 'nothing' });
    return id;
  }

  /**
   * The tree that a request names; the caller disposes of it. `undefined` when there is none, or it was
   * opened for another choice.
   */
  take({
    packId,
    guestPath: _,
    discardGuest: __,
    ...wanted
  }: PrepareWorkspaceRequest): OpenedBefore | undefined {
    const found = packId === undefined ? undefined : this.#packs.get(packId);
    if (packId === undefined || !found || !isDeepStrictEqual({ ...wanted }, { ...found.tree.choice }))
      return undefined;
    this.#packs.delete(packId);
    return found;
  }

  /** A tree that has not been taken. */
  find(id: string | undefined): TreeOfNewVm | undefined {
    return id === undefined ? undefined : this.#packs.get(id)?.tree;
  }

  /** Notes what the VM for which a tree was opened has begun with. */
  noteBegin(id: string, beganWith: BeganWith): void {
    const found = this.#packs.get(id);
    if (found) this.#packs.set(id, { ...found, beganWith });
  }

  /** Ends all that were not taken. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.#packs.keys()) await this.remove(id);
  }

  /** Ends its packing, unless it was taken. Idempotent. */
  async remove(id: string): Promise<void> {
    const found = this.#packs.get(id);
    this.#packs.delete(id);
    await found?.tree[Symbol.asyncDispose]();
  }
}

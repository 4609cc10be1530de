import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { PackedWorkspace } from '../core/ports/workspace.ts';
import type { PrepareWorkspaceRequest, WorkspaceChoice } from '../protocol/api/workspace.ts';

type Packed = PackedWorkspace & AsyncDisposable;

/** Working trees that are being packed for VMs that do not exist yet. */
export class Packs {
  readonly #packs = new Map<string, { packed: Packed; choice: WorkspaceChoice }>();

  /** Keeps `packed`, made for `choice`, until it is taken or removed; returns its id. */
  add(packed: Packed, choice: WorkspaceChoice): string {
    const id = randomBytes(8).toString('hex');
    this.#packs.set(id, { packed, choice });
    return id;
  }

  /**
   * The pack that a request names; the caller disposes of it. `undefined` when there is none, or it was made
   * for another choice.
   */
  take({ packId, guestPath: _, discardGuest: __, ...wanted }: PrepareWorkspaceRequest): Packed | undefined {
    const found = packId === undefined ? undefined : this.#packs.get(packId);
    if (packId === undefined || !found || !isDeepStrictEqual({ ...wanted }, { ...found.choice }))
      return undefined;
    this.#packs.delete(packId);
    return found.packed;
  }

  /** A pack that has not been taken. */
  find(id: string | undefined): { packed: PackedWorkspace; choice: WorkspaceChoice } | undefined {
    return id === undefined ? undefined : this.#packs.get(id);
  }

  /** Ends it, unless it was taken. Idempotent. */
  async remove(id: string): Promise<void> {
    const found = this.#packs.get(id);
    this.#packs.delete(id);
    await found?.packed[Symbol.asyncDispose]();
  }
}

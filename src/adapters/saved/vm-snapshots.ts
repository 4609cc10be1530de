import { rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import { syncFolder } from '../../base/files/atomic-file.ts';
import { discardTree, sweepDiscarded } from '../../base/files/discard.ts';
import { readdirIfThere } from '../../base/files/if-there.ts';
import { reportNoSpace } from '../../base/files/no-space.ts';
import { openStaging, sweepStaging } from '../../base/files/staging.ts';
import type { StoredSnapshot, VmSnapshots } from '../../core/ports/snapshots.ts';
import { SNAPSHOT_TAG } from '../../protocol/vm-limits.ts';
import { type SavedFiles, savedFiles } from './layout.ts';
import { parseSnapshotManifest, type SnapshotManifest } from './manifest-schema.ts';
import { describePart } from './parts.ts';
import { isStateWhole, readSavedFolder, savedStaging, writeSavedFolder } from './saved-folder.ts';

/**
 * Snapshots in the folders of their VMs:
 *
 *     <vmsDir>/<id>/snapshots/
 *       <tag>/         appears by a rename; manifest.json, memory, state and drives, as in a template
 *                      (layout.ts)
 *       .staging/      being made or removed (base/files/staging.ts)
 */
export class FsVmSnapshots implements VmSnapshots {
  readonly #vmsDir: string;
  readonly #nameOf: (vmId: string) => string | undefined;

  /** `nameOf` returns a VM's current name, for hints. */
  constructor({ vmsDir, nameOf }: { vmsDir: string; nameOf: (vmId: string) => string | undefined }) {
    this.#vmsDir = vmsDir;
    this.#nameOf = nameOf;
  }

  async make(
    vmId: string,
    { tag, facts, work }: Parameters<VmSnapshots['make']>[1],
    { signal }: Abortable,
  ): Promise<StoredSnapshot> {
    const { dir } = this.#files(vmId, tag);
    if (await this.#read(vmId, tag)) throw exists({ tag, vm: this.#vm(vmId) });
    const area = this.#stagingArea(vmId);
    await sweepStaging(area, savedStaging);
    const fill = (made: SavedFiles): Promise<void> =>
      writeSavedFolder(made, {
        work,
        describe: async (drives): Promise<SnapshotManifest> => ({
          format: 1,
          tag,
          facts,
          createdAt: new Date().toISOString(),
          memoryBytes: (await stat(made.memory)).size,
          state: await describePart(made.state, { signal }),
          drives,
        }),
        signal,
      });
    const make = async (): Promise<void> => {
      await using folder = await openStaging(area, savedStaging);
      const made = savedFiles(join(folder.dir, tag));
      // Inside, because deleting the folder frees the very space whose lack is to be reported.
      await reportNoSpace(() => fill(made), target);
      // An existing folder here is not a complete snapshot.
      await discardTree(dir);
      await rename(made.dir, dir);
      for (const folder of [this.#dir(vmId), target.dir]) await syncFolder(folder);
    };
    const target = { what: `the snapshot "${tag}"`, dir: join(this.#vmsDir, vmId) };
    await reportNoSpace(make, target);
    return await this.get(vmId, tag);
  }

  async list(vmId: string): Promise<StoredSnapshot[]> {
    const names = await readdirIfThere(this.#dir(vmId));
    const found = await Promise.all(names.map((name) => this.#read(vmId, name)));
    return found
      .filter((one) => one !== undefined)
      .map(({ snapshot }) => snapshot)
      .sort((a, b) => a.createdAt.localeCompare(b.createdAt));
  }

  async get(vmId: string, tag: string): Promise<StoredSnapshot> {
    const found = await this.#read(vmId, tag);
    if (!found) throw notFound({ tag, vm: this.#vm(vmId) });
    const { snapshot, manifest } = found;
    if (await isStateWhole(this.#files(vmId, tag), manifest)) return snapshot;
    throw new AppError(
      'SNAPSHOT_DAMAGED',
      `Cannot use the snapshot "${tag}": its device state is not what was saved`,
      {
        hint: `delete it: banger vm snapshot delete ${this.#vm(vmId)} ${tag}`,
        details: { tag },
      },
    );
  }

  async sweep(vmId: string): Promise<void> {
    await sweepStaging(this.#stagingArea(vmId), savedStaging);
    await sweepDiscarded(this.#dir(vmId));
  }

  async delete(vmId: string, tag: string): Promise<void> {
    if (!(await this.#read(vmId, tag))) throw notFound({ tag, vm: this.#vm(vmId) });
    await using folder = await openStaging(this.#stagingArea(vmId), savedStaging);
    await rename(this.#files(vmId, tag).dir, join(folder.dir, tag));
  }

  async #read(
    vmId: string,
    tag: string,
  ): Promise<{ snapshot: StoredSnapshot; manifest: SnapshotManifest } | undefined> {
    if (!SNAPSHOT_TAG.test(tag)) return undefined;
    const parse = (text: string): SnapshotManifest | undefined => {
      const manifest = parseSnapshotManifest(text);
      return manifest?.tag === tag ? manifest : undefined;
    };
    const memoryBytesOf = ({ memoryBytes }: SnapshotManifest): number => memoryBytes;
    const found = await readSavedFolder(this.#files(vmId, tag), { parse, memoryBytesOf });
    if (!found) return undefined;
    const { manifest, parts } = found;
    const { createdAt } = manifest;
    const { network, hasNat = false, ...others } = manifest.facts;
    const facts = { ...others, network: network ?? ({ mode: hasNat ? 'user' : 'none' } as const) };
    const { touchedAt: _, saved, drives, diskBytes } = parts;
    const rest = { saved: hasNat ? { ...saved, hasBuiltInNetwork: true } : saved, drives, diskBytes };
    return { manifest, snapshot: { tag, facts, createdAt, ...rest } };
  }

  #dir(vmId: string): string {
    return join(this.#vmsDir, vmId, 'snapshots');
  }

  /** How commands name the VM. */
  #vm(vmId: string): string {
    return this.#nameOf(vmId) ?? vmId;
  }

  #stagingArea(vmId: string): string {
    return join(this.#dir(vmId), '.staging');
  }

  #files(vmId: string, tag: string): SavedFiles {
    return savedFiles(join(this.#dir(vmId), tag));
  }
}

function exists({ tag, vm }: { tag: string; vm: string }): AppError {
  return new AppError('SNAPSHOT_EXISTS', `Cannot make a snapshot "${tag}": that tag is taken`, {
    hint: `give another tag, or delete that one: banger vm snapshot delete ${vm} ${tag}`,
    details: { field: 'tag', value: tag },
  });
}

function notFound({ tag, vm }: { tag: string; vm: string }): AppError {
  return new AppError('SNAPSHOT_NOT_FOUND', `Cannot find a snapshot "${tag.slice(0, 80)}"`, {
    hint: `banger vm snapshot list ${vm}`,
    details: { tag },
  });
}

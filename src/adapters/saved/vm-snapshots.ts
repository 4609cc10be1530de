import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isErrno } from '../../base/errors.ts';
import { syncFolder, writeFileAtomic } from '../../base/files/atomic-file.ts';
import { discardTree, sweepDiscarded } from '../../base/files/discard.ts';
import { reportNoSpace } from '../../base/files/no-space.ts';
import { openStaging, sweepStaging } from '../../base/files/staging.ts';
import type { StoredSnapshot, VmSnapshots } from '../../core/ports/snapshots.ts';
import { SNAPSHOT_TAG } from '../../protocol/vm-limits.ts';
import { sparseDigest } from './digest.ts';
import { type TemplateFiles, templateFiles } from './layout.ts';
import { parseSnapshotManifest, type SnapshotManifest } from './manifest-schema.ts';
import { describeDrives, describePart, diskBytesOf, drivesIn, syncParts } from './parts.ts';

const staging = { removeTree: (dir: string) => rm(dir, { recursive: true, force: true }) };

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
    await sweepStaging(area, staging);
    const fill = async (made: TemplateFiles): Promise<void> => {
      await mkdir(made.dir, { mode: 0o700 });
      const saved = { memoryPath: made.memory, statePath: made.state };
      const drives = await work({ dir: made.dir, saved });
      await syncParts(saved, drives, { signal });
      const manifest: SnapshotManifest = {
        format: 1,
        tag,
        facts,
        createdAt: new Date().toISOString(),
        memoryBytes: (await stat(made.memory)).size,
        state: await describePart(made.state, { signal }),
        drives: await describeDrives(drives),
      };
      await writeFileAtomic(made.manifest, `${JSON.stringify(manifest, null, 2)}\n`);
    };
    const make = async (): Promise<void> => {
      await using folder = await openStaging(area, staging);
      const made = templateFiles(join(folder.dir, tag));
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
    const names = await readdir(this.#dir(vmId)).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    });
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
    const signal = AbortSignal.timeout(60_000);
    if ((await sparseDigest(snapshot.saved.statePath, { signal })) === manifest.state.digest) return snapshot;
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
    await sweepStaging(this.#stagingArea(vmId), staging);
    await sweepDiscarded(this.#dir(vmId));
  }

  async delete(vmId: string, tag: string): Promise<void> {
    if (!(await this.#read(vmId, tag))) throw notFound({ tag, vm: this.#vm(vmId) });
    await using folder = await openStaging(this.#stagingArea(vmId), staging);
    await rename(this.#files(vmId, tag).dir, join(folder.dir, tag));
  }

  async #read(
    vmId: string,
    tag: string,
  ): Promise<{ snapshot: StoredSnapshot; manifest: SnapshotManifest } | undefined> {
    if (!SNAPSHOT_TAG.test(tag)) return undefined;
    const files = this.#files(vmId, tag);
    try {
      const manifest = parseSnapshotManifest(await readFile(files.manifest, 'utf8'));
      if (manifest?.tag !== tag) return undefined;
      const diskBytes = await diskBytesOf(files, {
        memoryBytes: manifest.memoryBytes,
        stateBytes: manifest.state.bytes,
        drives: manifest.drives,
      });
      if (diskBytes === undefined) return undefined;
      const snapshot: StoredSnapshot = {
        tag,
        facts: manifest.facts,
        saved: { memoryPath: files.memory, statePath: files.state },
        drives: drivesIn(files.dir, manifest.drives),
        createdAt: manifest.createdAt,
        diskBytes,
      };
      return { manifest, snapshot };
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
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

  #files(vmId: string, tag: string): TemplateFiles {
    return templateFiles(join(this.#dir(vmId), tag));
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

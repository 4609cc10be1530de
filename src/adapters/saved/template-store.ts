import { mkdir, rename, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { SharedWork } from '../../base/async.ts';
import { AppError, isErrno } from '../../base/errors.ts';
import { syncFolder } from '../../base/files/atomic-file.ts';
import { lock } from '../../base/files/file-lock.ts';
import { readdirIfThere } from '../../base/files/if-there.ts';
import { reportNoSpace, requireSpace, type SpaceRequest } from '../../base/files/no-space.ts';
import { openStaging, sweepStaging } from '../../base/files/staging.ts';
import type { Logger } from '../../base/log.ts';
import { UseCounts } from '../../base/use-counts.ts';
import type {
  StoredTemplate,
  TemplateFacts,
  TemplatePlace,
  TemplateStore,
} from '../../core/ports/templates.ts';
import type { DriveSpec } from '../../core/ports/vmm/spec.ts';
import { sparseDigest } from './digest.ts';
import { makingLock, type SavedFiles, savedFiles, stagingArea } from './layout.ts';
import { parseTemplateManifest, type TemplateManifest } from './manifest-schema.ts';
import { describePart } from './parts.ts';
import { isStateWhole, readSavedFolder, savedStaging, writeSavedFolder } from './saved-folder.ts';

const KEY = /^[0-9a-f]{64}$/;

type Work = (place: TemplatePlace, options: Abortable) => Promise<readonly DriveSpec[]>;

/** Templates as folders; `layout.ts` shows their files. */
export class FsTemplateStore implements TemplateStore {
  readonly #dir: string;
  readonly #log: Logger;
  readonly #making = new SharedWork<void>();
  readonly #uses = new UseCounts();

  constructor({ templatesDir, log }: { templatesDir: string; log: Logger }) {
    this.#dir = templatesDir;
    this.#log = log;
  }

  async use(
    key: string,
    { onDamage }: { onDamage: (message: string) => void },
  ): Promise<(StoredTemplate & Disposable) | undefined> {
    const held = this.#uses.hold(key);
    try {
      const found = await this.#read(key);
      if (!found) return release();
      const problem = await this.#stateProblem(found.manifest);
      if (problem !== undefined) {
        onDamage(`a warm template is damaged and set aside: ${problem}`);
        release();
        await this.setAside(key);
        return undefined;
      }
      const now = new Date();
      await utimes(this.#files(key).manifest, now, now);
      return { ...found.template, [Symbol.dispose]: release };
    } catch (error) {
      release();
      throw error;
    }

    function release(): undefined {
      held[Symbol.dispose]();
      return undefined;
    }
  }

  async make(
    key: string,
    { facts, work }: { facts: TemplateFacts; work: Work },
    options: Abortable,
  ): Promise<void> {
    const make = (signal: AbortSignal): Promise<void> => this.#makeOnce(key, { facts, work, signal });
    await this.#making.run(key, (signal) => reportNoSpace(() => make(signal), this.#target), options);
  }

  async setAside(key: string): Promise<void> {
    await this.#remove(key);
  }

  async list(): Promise<StoredTemplate[]> {
    const found = await Promise.all((await this.#keys()).map((key) => this.#read(key)));
    return found
      .filter((one) => one !== undefined)
      .map(({ template }) => template)
      .sort((a, b) => b.lastUsedAt.localeCompare(a.lastUsedAt));
  }

  async delete(key: string): Promise<void> {
    if (!(await this.#read(key))) {
      throw new AppError('TEMPLATE_NOT_FOUND', `Cannot find the template "${key}"`, {
        hint: 'banger template list',
      });
    }
    if (this.#uses.has(key)) {
      throw new AppError('TEMPLATE_IN_USE', `Cannot delete the template "${key}": a VM is starting from it`, {
        hint: 'try again in a moment',
      });
    }
    await this.#remove(key);
  }

  async prune({ maxBytes, isDryRun = false }: { maxBytes: number; isDryRun?: boolean }): Promise<string[]> {
    if (!isDryRun) await this.sweep();
    const remove = async (key: string): Promise<void> => {
      if (!isDryRun) await this.#remove(key);
    };
    const gone: string[] = [];
    const whole = await this.list();
    for (const key of await this.#keys()) {
      if (whole.some((template) => template.key === key)) continue;
      await remove(key);
      gone.push(key);
    }
    let total = whole.reduce((sum, { diskBytes }) => sum + diskBytes, 0);
    for (const { key, diskBytes } of whole.reverse()) {
      if (total <= maxBytes) break;
      if (this.#uses.has(key)) continue;
      await remove(key);
      total -= diskBytes;
      gone.push(key);
    }
    return gone;
  }

  async sweep(): Promise<void> {
    await sweepStaging(stagingArea(this.#dir), savedStaging);
  }

  async verify(key: string, { signal }: Abortable): Promise<string | undefined> {
    using _held = this.#uses.hold(key);
    const found = await this.#read(key);
    if (!found) return 'it is not whole: files are missing or have another size';
    const problem = await this.#stateProblem(found.manifest);
    if (problem !== undefined) return problem;
    const digest = await sparseDigest(found.template.saved.memoryPath, { signal });
    return digest === found.manifest.memory.digest ? undefined : 'the memory is not what was saved';
  }

  async #makeOnce(
    key: string,
    { facts, work, signal }: Abortable & { facts: TemplateFacts; work: Work },
  ): Promise<void> {
    if (await this.#read(key)) return;
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const area = stagingArea(this.#dir);
    // Another daemon of this user may be making one; a host should make only one at a time.
    using _held = await lock(makingLock(this.#dir), { signal });
    if (await this.#read(key)) return;
    await sweepStaging(area, savedStaging);
    await requireSpace({ ...this.#target, neededBytes: roomFor(facts) });
    await using folder = await openStaging(area, savedStaging);
    const made = savedFiles(join(folder.dir, key));
    const fill = (): Promise<void> =>
      writeSavedFolder(made, {
        work: (place) => work(place, { signal }),
        describe: async (drives): Promise<TemplateManifest> => ({
          format: 1,
          key,
          facts,
          createdAt: new Date().toISOString(),
          memory: await describePart(made.memory, { signal }),
          state: await describePart(made.state, { signal }),
          drives,
        }),
        signal,
      });
    await reportNoSpace(fill, this.#target);
    await this.#remove(key);
    await rename(made.dir, this.#files(key).dir);
    await syncFolder(this.#dir);
  }

  /**
   * Reads a template; `undefined` when it is missing or incomplete, or when the size of a file has changed.
   */
  async #read(key: string): Promise<{ template: StoredTemplate; manifest: TemplateManifest } | undefined> {
    if (!KEY.test(key)) return undefined;
    const parse = (text: string): TemplateManifest | undefined => {
      const manifest = parseTemplateManifest(text);
      return manifest?.key === key ? manifest : undefined;
    };
    const memoryBytesOf = ({ memory }: TemplateManifest): number => memory.bytes;
    const found = await readSavedFolder(this.#files(key), { parse, memoryBytesOf });
    if (!found) return undefined;
    const { manifest, parts } = found;
    const { facts, createdAt } = manifest;
    const { touchedAt, ...rest } = parts;
    return { manifest, template: { key, facts, createdAt, lastUsedAt: touchedAt.toISOString(), ...rest } };
  }

  async #stateProblem(manifest: TemplateManifest): Promise<string | undefined> {
    const isWhole = await isStateWhole(this.#files(manifest.key), manifest);
    return isWhole ? undefined : 'the device state is not what was saved';
  }

  /** Removes the template from view at once; its files are deleted once no process holds them open. */
  async #remove(key: string): Promise<void> {
    await using folder = await openStaging(stagingArea(this.#dir), savedStaging);
    try {
      await rename(this.#files(key).dir, join(folder.dir, key));
      this.#log.info('a warm template is removed', { key });
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }

  get #target(): SpaceRequest {
    return { what: 'a warm template', dir: this.#dir };
  }

  #files(key: string): SavedFiles {
    return savedFiles(join(this.#dir, key));
  }

  async #keys(): Promise<string[]> {
    return (await readdirIfThere(this.#dir)).filter((name) => KEY.test(name));
  }
}

/**
 * Upper estimate of the space for a new template, in `bytes`: a guest that has just booted has touched about
 * this much of its memory, and its drives are thin.
 */
function roomFor({ shape }: TemplateFacts): number {
  return (Math.min(shape.memoryMib, 512) + 32) * 2 ** 20;
}

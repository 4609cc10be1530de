import { mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { SharedWork } from '../../base/async.ts';
import { AppError, isErrno } from '../../base/errors.ts';
import { syncFolder, writeFileAtomic } from '../../base/files/atomic-file.ts';
import { lock } from '../../base/files/file-lock.ts';
import { reportNoSpace, requireSpace, type SpaceRequest } from '../../base/files/no-space.ts';
import { openStaging, sweepStaging } from '../../base/files/staging.ts';
import type { Logger } from '../../base/log.ts';
import type {
  StoredTemplate,
  TemplateFacts,
  TemplatePlace,
  TemplateStore,
} from '../../core/ports/templates.ts';
import type { DriveSpec } from '../../core/ports/vmm/spec.ts';
import { sparseDigest } from './digest.ts';
import { makingLock, stagingArea, type TemplateFiles, templateFiles } from './layout.ts';
import { parseTemplateManifest, type TemplateManifest } from './manifest-schema.ts';
import { describeDrives, describePart, diskBytesOf, drivesIn, syncParts } from './parts.ts';

const KEY = /^[0-9a-f]{64}$/;

const staging = { removeTree: (dir: string) => rm(dir, { recursive: true, force: true }) };

type Work = (place: TemplatePlace, options: Abortable) => Promise<readonly DriveSpec[]>;

/** Templates as folders; `layout.ts` shows their files. */
export class FsTemplateStore implements TemplateStore {
  readonly #dir: string;
  readonly #log: Logger;
  readonly #making = new SharedWork<void>();
  readonly #uses = new Map<string, number>();

  constructor({ templatesDir, log }: { templatesDir: string; log: Logger }) {
    this.#dir = templatesDir;
    this.#log = log;
  }

  async use(
    key: string,
    { onDamage }: { onDamage: (message: string) => void },
  ): Promise<(StoredTemplate & Disposable) | undefined> {
    const held = this.#hold(key);
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

  async prune({ maxBytes }: { maxBytes: number }): Promise<string[]> {
    await this.sweep();
    const gone: string[] = [];
    const whole = await this.list();
    for (const key of await this.#keys()) {
      if (whole.some((template) => template.key === key)) continue;
      await this.#remove(key);
      gone.push(key);
    }
    let total = whole.reduce((sum, { diskBytes }) => sum + diskBytes, 0);
    for (const { key, diskBytes } of whole.reverse()) {
      if (total <= maxBytes) break;
      if (this.#uses.has(key)) continue;
      await this.#remove(key);
      total -= diskBytes;
      gone.push(key);
    }
    return gone;
  }

  async sweep(): Promise<void> {
    await sweepStaging(stagingArea(this.#dir), staging);
  }

  async verify(key: string, { signal }: Abortable): Promise<string | undefined> {
    using _held = this.#hold(key);
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
    await sweepStaging(area, staging);
    await requireSpace({ ...this.#target, neededBytes: roomFor(facts) });
    await using folder = await openStaging(area, staging);
    const made = templateFiles(join(folder.dir, key));
    await mkdir(made.dir, { mode: 0o700 });
    const saved = { memoryPath: made.memory, statePath: made.state };
    const fill = async (): Promise<void> => {
      const drives = await work({ dir: made.dir, saved }, { signal });
      await syncParts(saved, drives, { signal });
      const manifest = await describe(made, { key, facts, drives, signal });
      await writeFileAtomic(made.manifest, `${JSON.stringify(manifest, null, 2)}\n`);
    };
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
    const files = this.#files(key);
    try {
      const manifest = parseTemplateManifest(await readFile(files.manifest, 'utf8'));
      if (manifest?.key !== key) return undefined;
      const diskBytes = await diskBytesOf(files, {
        memoryBytes: manifest.memory.bytes,
        stateBytes: manifest.state.bytes,
        drives: manifest.drives,
      });
      if (diskBytes === undefined) return undefined;
      const lastUsedAt = (await stat(files.manifest)).mtime.toISOString();
      return { manifest, template: templateOf(manifest, files, { lastUsedAt, diskBytes }) };
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  async #stateProblem({ key, state }: TemplateManifest): Promise<string | undefined> {
    const digest = await sparseDigest(this.#files(key).state, { signal: AbortSignal.timeout(60_000) });
    return digest === state.digest ? undefined : 'the device state is not what was saved';
  }

  /** Removes the template from view at once; its files are deleted once no process holds them open. */
  async #remove(key: string): Promise<void> {
    await using folder = await openStaging(stagingArea(this.#dir), staging);
    try {
      await rename(this.#files(key).dir, join(folder.dir, key));
      this.#log.info('a warm template is removed', { key });
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }

  #hold(key: string): Disposable {
    this.#uses.set(key, (this.#uses.get(key) ?? 0) + 1);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        const left = (this.#uses.get(key) ?? 1) - 1;
        if (left > 0) this.#uses.set(key, left);
        else this.#uses.delete(key);
      },
    };
  }

  get #target(): SpaceRequest {
    return { what: 'a warm template', dir: this.#dir };
  }

  #files(key: string): TemplateFiles {
    return templateFiles(join(this.#dir, key));
  }

  async #keys(): Promise<string[]> {
    try {
      return (await readdir(this.#dir)).filter((name) => KEY.test(name));
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }
}

/**
 * Upper estimate of the space for a new template, in `bytes`: a guest that has just booted has touched about
 * this much of its memory, and its drives are thin.
 */
function roomFor({ shape }: TemplateFacts): number {
  return (Math.min(shape.memoryMib, 512) + 32) * 2 ** 20;
}

async function describe(
  files: TemplateFiles,
  {
    key,
    facts,
    drives,
    signal,
  }: Abortable & { key: string; facts: TemplateFacts; drives: readonly DriveSpec[] },
): Promise<TemplateManifest> {
  return {
    format: 1,
    key,
    facts,
    createdAt: new Date().toISOString(),
    memory: await describePart(files.memory, { signal }),
    state: await describePart(files.state, { signal }),
    drives: await describeDrives(drives),
  };
}

function templateOf(
  { key, facts, createdAt, drives }: TemplateManifest,
  files: TemplateFiles,
  { lastUsedAt, diskBytes }: { lastUsedAt: string; diskBytes: number },
): StoredTemplate {
  return {
    key,
    facts,
    saved: { memoryPath: files.memory, statePath: files.state },
    drives: drivesIn(files.dir, drives),
    createdAt,
    lastUsedAt,
    diskBytes,
  };
}

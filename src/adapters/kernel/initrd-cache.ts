import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isErrno } from '../../base/errors.ts';
import { buildInitrd } from './initrd/build-initrd.ts';
import { noteUse } from './initrd/old-initrds.ts';
import { initrdName, kernelLayout } from './layout.ts';

/** An initramfs in the store. */
export interface Initrd {
  path: string;
  sha256: string;
}

/**
 * Builds the initramfs of each kernel, once per agent. Remembers the result until the agent's file changes.
 * The first request in a process always compares the content, so that a new version of the builder is noticed
 * too.
 */
export class InitrdCache {
  readonly #agentPath: string;
  readonly #made = new Map<string, { agent: string; initrd: Initrd; sizeBytes: number }>();

  constructor({ agentPath }: { agentPath: string }) {
    this.#agentPath = agentPath;
  }

  /** @throws {AppError} AGENT_NOT_FOUND, and what {@link buildInitrd} throws. */
  async get(kernelDir: string, { release, signal }: Abortable & { release: string }): Promise<Initrd> {
    const agent = await identity(this.#agentPath);
    const known = this.#made.get(kernelDir);
    if (known?.agent === agent && (await sizeOf(known.initrd.path)) === known.sizeBytes) {
      await noteUse(known.initrd.path);
      return known.initrd;
    }
    const name = initrdName(await sha256Of(this.#agentPath));
    const made = await buildInitrd(
      { agentPath: this.#agentPath, modulesDir: kernelLayout(kernelDir).bootModules, release },
      { outPath: join(kernelDir, name), signal },
    );
    if (!made.isNew) await noteUse(made.path);
    const initrd = { path: made.path, sha256: made.sha256 };
    this.#made.set(kernelDir, { agent, initrd, sizeBytes: made.sizeBytes });
    return initrd;
  }
}

async function identity(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new AppError('AGENT_NOT_FOUND', `Cannot find the guest agent: "${path}" does not exist`, {
      hint: 'install banger again; in a checkout, run: npm run setup',
      details: { path },
      cause: error,
    });
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function sha256Of(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { isErrno } from '../../../base/errors.ts';
import { writeFileAtomic } from '../../../base/files/atomic-file.ts';
import { bootModules } from './boot-modules.ts';
import { type CpioEntry, writeCpio } from './cpio.ts';
import { readModuleFile } from './module-file.ts';

/** The parts of an initramfs. */
export interface InitrdSource {
  /** the static guest agent for the guest's architecture */
  agentPath: string;
  /** folder that contains `modules.dep`, such as `/lib/modules/<release>` */
  modulesDir: string;
  release: string;
}

/** An initramfs on disk. */
export interface BuiltInitrd {
  path: string;
  /** hash of the content, which is the same for the same source; serves as its identity */
  sha256: string;
  sizeBytes: number;
  /** false when the file already existed with this content */
  isNew: boolean;
}

/**
 * Builds a kernel's initramfs: the agent as `/init`, the boot modules under `/modules`, and their load order
 * in `/modules/order`. It is not compressed, because an emulated kernel decompresses more slowly than the VMM
 * reads. Replaces the file by a rename, and only when the content changes, so that running VMs and concurrent
 * callers are not affected. Leaves nothing after a failure or an abort.
 *
 * @throws {AppError} KERNEL_MODULES_MISSING, KERNEL_MODULES_DAMAGED, KERNEL_MODULES_COMPRESSED.
 */
export async function buildInitrd(
  source: InitrdSource,
  { outPath, signal }: Abortable & { outPath: string },
): Promise<BuiltInitrd> {
  const archive = writeCpio(await initrdEntries(source));
  signal.throwIfAborted();
  const isNew = !(await hasContent(outPath, archive));
  if (isNew) await writeFileAtomic(outPath, archive, { mode: 0o644 });
  const sha256 = createHash('sha256').update(archive).digest('hex');
  return { path: outPath, sha256, sizeBytes: archive.length, isNew };
}

async function initrdEntries({ agentPath, modulesDir, release }: InitrdSource): Promise<CpioEntry[]> {
  const modules = await bootModules({ modulesDir, release });
  const files = modules.map(
    async ({ name, path }): Promise<CpioEntry> => ({
      type: 'file',
      path: `modules/${name}.ko`,
      mode: 0o644,
      content: await readModuleFile(join(modulesDir, path)),
    }),
  );
  const order = modules.map(({ name }) => `${name}.ko\n`).join('');
  return [
    { type: 'file', path: 'init', mode: 0o755, content: await readFile(agentPath) },
    // The kernel opens it for /init's standard streams. Kernels with a built-in initramfs of their own do not
    // have it.
    { type: 'directory', path: 'dev', mode: 0o755 },
    { type: 'character device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { type: 'directory', path: 'modules', mode: 0o755 },
    { type: 'file', path: 'modules/order', mode: 0o644, content: Buffer.from(order) },
    ...(await Promise.all(files)),
  ];
}

async function hasContent(path: string, content: Buffer): Promise<boolean> {
  try {
    return content.equals(await readFile(path));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../../base/abort.ts';
import { writeFileAtomic } from '../../../../base/atomic-file.ts';
import { isErrno } from '../../../../base/errors.ts';
import { lock } from '../../../../base/file-lock.ts';
import type { BootSource } from '../../../../core/ports/vmm.ts';
import { type HostFacts, hasCpuFlag } from '../../host-facts.ts';
import type { QemuBinary } from '../binary.ts';

/** How long our kernel may take to our initramfs on KVM; with KVM that works it takes a tenth of this. */
export const KVM_DEADLINE_MS = 3_000;

/**
 * Why KVM need not be tried here, in words for the user; `undefined` when only a test boot can tell. A device that opens proves nothing: inside some
 * virtual machines it is there and cannot run a kernel.
 */
export function reasonAgainstKvm(facts: {
  arch: HostFacts['arch'];
  cpuInfo: string;
  openError: string | undefined;
}): string | undefined {
  if (facts.arch === 'amd64' && !hasCpuFlag(facts.cpuInfo, 'vmx', 'svm')) {
    return unusable('the CPU offers no vmx or svm');
  }
  switch (facts.openError) {
    case undefined:
      return undefined;
    case 'ENOENT':
      return unusable('/dev/kvm is missing; load the kernel module kvm_intel or kvm_amd');
    case 'EACCES':
    case 'EPERM':
      return unusable('/dev/kvm: permission denied; add yourself to the kvm group');
    default:
      return unusable(`/dev/kvm cannot be opened: ${facts.openError}`);
  }
}

/** Why KVM is not used although it looked usable. */
export function failedTestBoot(): string {
  return unusable(`a test boot did not reach the initramfs in ${KVM_DEADLINE_MS / 1000} s`);
}

function unusable(why: string): string {
  return `KVM is not usable here (${why})`;
}

/** What a finding about KVM holds for. */
export interface KvmContext {
  bootId: string;
  binary: QemuBinary;
  boot: BootSource;
}

/**
 * Whether test boots on KVM worked, remembered for as long as host boot, QEMU and kernel are the same. In the cache:
 *
 *     <dir>/
 *       <boot id>-<key>.finding     "yes" or "no"; those of other boots are removed
 *       test-boot/                  a test boot that is under way
 *       .lock                       held meanwhile
 */
export class KvmFindings {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /**
   * The finding for `context`; runs `test` when there is none. Callers at once, in other processes too, share one test. `test` is given a
   * folder of its own.
   */
  async get(
    context: KvmContext,
    { test, signal }: Abortable & { test: (dir: string) => Promise<boolean> },
  ): Promise<boolean> {
    const path = join(this.#dir, `${context.bootId}-${await keyOf(context)}${SUFFIX}`);
    const known = await readFinding(path);
    if (known !== undefined) return known;
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    using _held = await lock(join(this.#dir, '.lock'), { signal });
    const meanwhile = await readFinding(path);
    if (meanwhile !== undefined) return meanwhile;
    const found = await test(join(this.#dir, 'test-boot'));
    await this.#removeOthers(context.bootId);
    await writeFileAtomic(path, found ? 'yes' : 'no');
    return found;
  }

  async #removeOthers(bootId: string): Promise<void> {
    for (const name of await readdir(this.#dir)) {
      const isOld = name.endsWith(SUFFIX) && !name.startsWith(`${bootId}-`);
      if (isOld) await rm(join(this.#dir, name), { force: true });
    }
  }
}

const SUFFIX = '.finding';

async function readFinding(path: string): Promise<boolean | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    return text === 'yes' ? true : text === 'no' ? false : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function keyOf({ binary, boot }: KvmContext): Promise<string> {
  const files = [boot.kernelPath, boot.initrdPath];
  const facts = [binary.path, binary.version, ...boot.bootArgs, ...(await Promise.all(files.map(identity)))];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 32);
}

async function identity(path: string): Promise<string> {
  const { ino, size, mtimeNs } = await stat(path, { bigint: true });
  return `${path} ${ino} ${size} ${mtimeNs}`;
}

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { isErrno } from '../../../base/errors.ts';
import { writeFileAtomic } from '../../../base/files/atomic-file.ts';
import { lock } from '../../../base/files/file-lock.ts';
import type { BootSource } from '../../../core/ports/vmm/spec.ts';
import type { KvmFinding, ProbeResult } from './kvm.ts';

/** The conditions under which a finding about KVM is valid. */
export interface KvmContext {
  bootId: string;
  /** of the VMM */
  binary: { path: string; version: string };
  boot: BootSource;
}

/** A test boot, and the facts about the host that its result is judged by. */
export interface KvmTest extends Abortable {
  /** runs the test boot in a folder of its own */
  test: (dir: string) => Promise<ProbeResult>;
  /** runnable processes per processor of the host */
  load: () => number;
  /** time since the epoch, in `ms` */
  nowMs: () => number;
}

/**
 * Wait before a failed test is repeated. Doubles with each failure, so that a KVM that hangs costs little in
 * the long run.
 */
const FIRST_RETRY_MS = 10 * 60_000;
const MAX_RETRY_MS = 4 * 3_600_000;
/**
 * Above this load, a VMM that ended proves nothing: it may have lacked memory, or another hypervisor may
 * have held the processor.
 */
const BUSY_LOAD = 1.5;

/**
 * The results of test boots on KVM. A success is remembered until the host boots again, or the VMM or the
 * kernel changes. A test boot that was late, or failed on a busy host, is repeated after a while, because the
 * host may only have been slow. In the cache:
 *
 *     <dir>/
 *       <boot id>-<key>.finding     JSON; those of other boots are removed
 *       test-boot/                  a test boot in progress
 *       .lock                       held meanwhile
 */
export class KvmFindings {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /**
   * Returns the finding for `context`; runs `test` when there is no valid one. Concurrent callers share one
   * test, even across processes.
   */
  async get(context: KvmContext, { test, load, nowMs, signal }: KvmTest): Promise<KvmFinding> {
    const path = join(this.#dir, `${context.bootId}-${await keyOf(context)}${SUFFIX}`);
    const holds = async (): Promise<KvmFinding | undefined> => {
      const found = await readFinding(path);
      return found && (found.retryAtMs ?? Number.POSITIVE_INFINITY) > nowMs() ? found : undefined;
    };
    const known = await holds();
    if (known) return known;
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    using _held = await lock(join(this.#dir, '.lock'), { signal });
    const meanwhile = await holds();
    if (meanwhile) return meanwhile;
    const attempts = ((await readFinding(path))?.attempts ?? 0) + 1;
    const wasBusy = load() > BUSY_LOAD;
    const { outcome, deadlineMs } = await test(join(this.#dir, 'test-boot'));
    const isFirm = outcome === 'reached' || (outcome === 'ended' && !wasBusy && load() <= BUSY_LOAD);
    const retryMs = Math.min(FIRST_RETRY_MS * 2 ** (attempts - 1), MAX_RETRY_MS);
    const finding = { outcome, deadlineMs, ...(isFirm ? {} : { retryAtMs: nowMs() + retryMs }) };
    await this.#removeOthers(context.bootId);
    await writeFileAtomic(path, JSON.stringify({ ...finding, attempts }));
    return finding;
  }

  async #removeOthers(bootId: string): Promise<void> {
    for (const name of await readdir(this.#dir)) {
      const isOld = name.endsWith(SUFFIX) && !name.startsWith(`${bootId}-`);
      if (isOld) await rm(join(this.#dir, name), { force: true });
    }
  }
}

const SUFFIX = '.finding';

async function readFinding(path: string): Promise<(KvmFinding & { attempts: number }) | undefined> {
  try {
    return parseFinding(await readFile(path, 'utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** An unreadable finding, such as one of an earlier version, leads to a new test. */
function parseFinding(text: string): (KvmFinding & { attempts: number }) | undefined {
  try {
    const { outcome, deadlineMs, retryAtMs, attempts } = JSON.parse(text) as Record<string, unknown>;
    if (outcome !== 'reached' && outcome !== 'ended' && outcome !== 'late') return undefined;
    if (typeof deadlineMs !== 'number' || typeof attempts !== 'number') return undefined;
    return { outcome, deadlineMs, attempts, ...(typeof retryAtMs === 'number' ? { retryAtMs } : {}) };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
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

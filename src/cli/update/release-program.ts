import { join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { AppError, printable } from '../../base/errors.ts';
import { isRecord } from '../../base/json-schema/check.ts';
import { type ExecResult, exec } from '../../base/process/exec.ts';
import type { Environment } from '../../config/settings.ts';

/** `ms` for what answers at once, even on a busy host. */
const ANSWER_MS = 60_000;

/** `ms` for the checks of a host, which may boot a kernel to see whether KVM works. */
const DOCTOR_MS = 6 * 60_000;

const MAX_OUTPUT_BYTES = 16 * 2 ** 20;

/** What `bangerd --check-migrations` found: exit status 0, 1 and 2. */
export type RecordsCheck = { outcome: 'compatible' | 'migrates' | 'incompatible'; text: string };

/** What a daemon says of itself. */
export interface RunningDaemon {
  pid: number;
  version: string;
  /** requests and sessions besides the question */
  activeRequestCount: number;
}

/** A finding of `banger doctor`. */
export interface FailedCheck {
  name: string;
  message: string;
}

/**
 * The programs of one release, run as a user would, so that the old and the new one each speak with their own
 * daemon. A program that does not answer as it should is an UPDATE_PROGRAM_FAILED.
 */
export class ReleaseProgram {
  readonly root: string;
  readonly #env: Environment;

  constructor(root: string, { env }: { env: Environment }) {
    this.root = root;
    this.#env = env;
  }

  /** The one line of `--version`. */
  async versionLine(options: Abortable): Promise<string> {
    const { stdout } = await this.#banger(['--version'], { ...options, deadlineMs: ANSWER_MS });
    return printable(stdout.toString('utf8'));
  }

  /** Whether its daemon can use the records of this user; changes nothing. */
  async checkRecords(options: Abortable): Promise<RecordsCheck> {
    const { code, stdout, stderr } = await this.#daemon(['--check-migrations'], {
      ...options,
      okCodes: [0, 1, 2],
    });
    const text = printable(stdout.toString('utf8').trim() || stderr.trim());
    const isPending = code === 1 && text.startsWith('migrations needed');
    const outcome = code === 0 ? 'compatible' : isPending ? 'migrates' : 'incompatible';
    return { outcome, text };
  }

  /** The suspended VMs and snapshots that its daemon could not restore, and why; changes nothing. */
  async unfitGuests(options: Abortable): Promise<{ name: string; problem: string }[]> {
    const { stdout } = await this.#daemon(['--check-saved-guests'], { ...options, okCodes: [0] });
    const value = jsonOf(stdout);
    const unfit = isRecord(value) && Array.isArray(value['unfit']) ? value['unfit'] : undefined;
    if (!unfit) throw strange(this.root, 'bangerd --check-saved-guests');
    return unfit.filter(isRecord).map(({ name, problem }) => ({
      name: printable(String(name)),
      problem: printable(String(problem)),
    }));
  }

  /** Puts back the records from before a migration that this release cannot read; otherwise does nothing. */
  async restoreRecords(options: Abortable): Promise<void> {
    await this.#daemon(['--restore-records'], { ...options, okCodes: [0] });
  }

  /** The running daemon, whichever release it is of. */
  async runningDaemon(options: Abortable): Promise<RunningDaemon | undefined> {
    const value = await this.#json(['daemon', 'status', '--json'], options);
    if (!isRecord(value)) throw strange(this.root, 'banger daemon status');
    if (value['isRunning'] !== true) return undefined;
    const { pid, version, activeRequestCount } = value;
    return {
      pid: Number(pid),
      version: String(version),
      activeRequestCount: Number(activeRequestCount) || 0,
    };
  }

  /** Stops the running daemon, whichever release it is of; VMs keep running. */
  async stopDaemon(options: Abortable): Promise<void> {
    await this.#banger(['daemon', 'stop'], { ...options, deadlineMs: ANSWER_MS });
  }

  /** What the daemon is doing, one line each. Starts a daemon when none runs. */
  async operations(options: Abortable): Promise<string[]> {
    const value = await this.#json(['operations', 'list', '--json'], options);
    if (!Array.isArray(value)) throw strange(this.root, 'banger operations list');
    return value.filter(isRecord).map(({ id, kind, target }) => {
      const what = target === undefined ? '' : ` of ${String(target)}`;
      return printable(`${String(kind)}${what} (${String(id)})`);
    });
  }

  /** Ids of the VMs that run. Starts a daemon when none runs. */
  async runningVmIds(options: Abortable): Promise<string[]> {
    const value = await this.#json(['vm', 'list', '--json'], options);
    if (!Array.isArray(value)) throw strange(this.root, 'banger vm list');
    return value.filter(isRecord).map(({ id }) => String(id));
  }

  /** The checks of `banger doctor` that fail. Starts a daemon when none runs. */
  async failedChecks(options: Abortable): Promise<FailedCheck[]> {
    const words = ['doctor', '--json'];
    const { stdout } = await this.#banger(words, { ...options, okCodes: [0, 1], deadlineMs: DOCTOR_MS });
    const value = jsonOf(stdout);
    const checks = isRecord(value) && Array.isArray(value['checks']) ? value['checks'] : undefined;
    if (!checks) throw strange(this.root, 'banger doctor');
    return checks
      .filter(isRecord)
      .filter(({ status }) => status === 'fail')
      .map(({ name, message }) => ({ name: String(name), message: printable(String(message)) }));
  }

  async #json(words: readonly string[], options: Abortable): Promise<unknown> {
    return jsonOf((await this.#banger(words, { ...options, deadlineMs: ANSWER_MS })).stdout);
  }

  async #banger(
    words: readonly string[],
    options: Abortable & { deadlineMs: number; okCodes?: readonly number[] },
  ): Promise<ExecResult> {
    return await this.#run([join(this.root, 'bin', 'banger'), ...words], options);
  }

  async #daemon(
    words: readonly string[],
    options: Abortable & { okCodes: readonly number[] },
  ): Promise<ExecResult> {
    const argv = [join(this.root, 'node', 'bin', 'node'), join(this.root, 'dist', 'bangerd.cjs')] as const;
    return await this.#run([...argv, ...words], { ...options, deadlineMs: DOCTOR_MS });
  }

  async #run(
    argv: readonly [string, ...string[]],
    options: Abortable & { deadlineMs: number; okCodes?: readonly number[] },
  ): Promise<ExecResult> {
    const env = { ...this.#env };
    return await exec(argv, { ...options, env, cwd: '/', maxOutputBytes: MAX_OUTPUT_BYTES });
  }
}

function jsonOf(stdout: Buffer): unknown {
  try {
    return JSON.parse(stdout.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function strange(root: string, command: string): AppError {
  return new AppError('UPDATE_PROGRAM_FAILED', `Cannot use the answer of "${command}" of "${root}"`);
}

import { stat } from 'node:fs/promises';
import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import { exec, PROBE_DEADLINE_MS } from '../../../base/process/exec.ts';
import { findProgram, isExecutable, toolEnv, type Variables } from '../../../base/process/programs.ts';

/** A Firecracker found on this host. */
export interface FirecrackerBinary {
  path: string;
  /** `1.13.1` */
  version: string;
}

/** Oldest version whose API has all that we send. */
const OLDEST = [1, 5] as const;
/** The version with which our requests were measured. */
export const TESTED_VERSION = '1.17';

const GET_IT =
  'download a release of firecracker-microvm/firecracker and put the program "firecracker" on PATH, or name it in the config file: firecracker_bin = "/path/to/firecracker"';

/** Finds Firecracker and asks it for its version once; asks again when the file has changed. */
export class FirecrackerBinaries {
  readonly #env: Variables;
  readonly #configured: string | undefined;
  #known: { mtimeMs: number; binary: FirecrackerBinary } | undefined;

  /** `configured` is the path from the configuration; absent: the first `firecracker` on PATH. */
  constructor(env: Variables, configured: string | undefined) {
    this.#env = env;
    this.#configured = configured;
  }

  /**
   * The Firecracker of this host.
   *
   * @throws {AppError} VMM_NOT_FOUND when there is none; VMM_UNSUPPORTED when it is too old, or is something
   * else. Both say what to do.
   */
  async require({ signal }: Abortable): Promise<FirecrackerBinary> {
    const path = await this.#find();
    const { mtimeMs } = await stat(path);
    const known = this.#known;
    if (known?.binary.path === path && known.mtimeMs === mtimeMs) return known.binary;
    const run = { signal, env: toolEnv(this.#env), deadlineMs: PROBE_DEADLINE_MS };
    const { stdout } = await exec([path, '--version'], run);
    const version = parseVersion(stdout.toString());
    if (version === undefined) throw unsupported(path, 'it does not say which version of Firecracker it is');
    if (!isRecent(version)) {
      throw unsupported(path, `it is Firecracker ${version}, and ${OLDEST.join('.')} or later is needed`);
    }
    this.#known = { mtimeMs, binary: { path, version } };
    return this.#known.binary;
  }

  async #find(): Promise<string> {
    const configured = this.#configured;
    if (configured !== undefined) {
      if (await isExecutable(configured)) return configured;
      const reason = `"${configured}", which firecracker_bin names, is not a program`;
      throw new AppError('VMM_NOT_FOUND', `Cannot find Firecracker: ${reason}`, {
        hint: 'correct firecracker_bin in the config file',
        details: { field: 'firecracker_bin', value: configured },
      });
    }
    const found = await findProgram('firecracker', this.#env);
    if (found !== undefined) return found;
    throw new AppError('VMM_NOT_FOUND', 'Cannot find Firecracker: "firecracker" is not on PATH', {
      hint: GET_IT,
    });
  }
}

/** The version in the output of `--version`; `undefined` when that is not Firecracker's. */
export function parseVersion(text: string): string | undefined {
  return /^Firecracker v?([0-9]+\.[0-9]+\.[0-9]+)/m.exec(text)?.[1];
}

/** Whether we can use this version. */
export function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

function unsupported(path: string, reason: string): AppError {
  return new AppError('VMM_UNSUPPORTED', `Cannot use "${path}": ${reason}`, { hint: GET_IT });
}

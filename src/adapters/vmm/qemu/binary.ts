import { stat } from 'node:fs/promises';
import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import { exec, PROBE_DEADLINE_MS } from '../../../base/process/exec.ts';
import { findProgram, toolEnv, type Variables } from '../../../base/process/programs.ts';
import { installHint, packagesOf } from '../../../core/rules/host-packages.ts';

/** A QEMU found on this host. */
export interface QemuBinary {
  path: string;
  /** `7.2.22` */
  version: string;
  /** names of the machines that it offers */
  machines: ReadonlySet<string>;
}

/** Oldest version whose command line we use; it is tested. */
const OLDEST_MAJOR = 7;

/** Finds QEMU and queries each binary once; queries it again when the file has changed. */
export class QemuBinaries {
  readonly #env: Variables;
  readonly #known = new Map<string, { mtimeMs: number; binary: QemuBinary }>();

  constructor(env: Variables) {
    this.#env = env;
  }

  /**
   * The QEMU named `program` on this host.
   *
   * @throws {AppError} VMM_NOT_FOUND naming the package when there is none; VMM_UNSUPPORTED when it cannot
   * run our VMs.
   */
  async require(program: string, { machine, signal }: Abortable & { machine: string }): Promise<QemuBinary> {
    const path = await findProgram(program, this.#env);
    if (!path) throw notFound(program);
    const { mtimeMs } = await stat(path);
    const known = this.#known.get(path);
    const binary = known?.mtimeMs === mtimeMs ? known.binary : await ask(path, { env: this.#env, signal });
    this.#known.set(path, { mtimeMs, binary });
    if (majorOf(binary.version) < OLDEST_MAJOR) throw tooOld(program, binary);
    if (!binary.machines.has(machine)) throw withoutMachine(program, { path, machine });
    return binary;
  }
}

/** The version in the output of `--version`; `undefined` when that is not QEMU's. */
export function parseVersion(text: string): string | undefined {
  return /^QEMU emulator version ([0-9]+\.[0-9]+(?:\.[0-9]+)*)/m.exec(text)?.[1];
}

/** The machine names in the output of `-machine help`. */
export function parseMachines(text: string): Set<string> {
  return new Set(
    text
      .split('\n')
      .slice(1)
      .map((line) => line.split(' ', 1)[0] ?? '')
      .filter(Boolean),
  );
}

async function ask(path: string, options: Abortable & { env: Variables }): Promise<QemuBinary> {
  const run = { signal: options.signal, env: toolEnv(options.env), deadlineMs: PROBE_DEADLINE_MS };
  const [version, machines] = await Promise.all([
    exec([path, '--version'], run),
    exec([path, '-machine', 'help'], run),
  ]);
  return {
    path,
    version: parseVersion(version.stdout.toString()) ?? '0.0',
    machines: parseMachines(machines.stdout.toString()),
  };
}

function majorOf(version: string): number {
  return Number(version.split('.')[0]);
}

function notFound(program: string): AppError {
  return new AppError('VMM_NOT_FOUND', `Cannot find QEMU: "${program}" is not installed`, {
    hint: installHint([program]),
    details: { program, packages: packagesOf([program]) },
  });
}

function tooOld(program: string, { path, version }: QemuBinary): AppError {
  return new AppError(
    'VMM_UNSUPPORTED',
    `Cannot use "${path}": it is QEMU ${version}, and ${OLDEST_MAJOR}.0 or later is needed`,
    {
      hint: installHint([program]),
      details: { program, path, version },
    },
  );
}

function withoutMachine(program: string, { path, machine }: { path: string; machine: string }): AppError {
  return new AppError(
    'VMM_UNSUPPORTED',
    `Cannot use "${path}": it was built without the machine "${machine}"`,
    {
      hint: installHint([program]),
      details: { program, path, machine },
    },
  );
}

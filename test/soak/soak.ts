import { onAbort } from '../../src/base/abort.ts';
import type { Lab, Ran, RunOptions } from '../e2e/support/lab.ts';
import type { VmPool } from './vm-pool.ts';

/** The failure of a command that must succeed. */
export interface Failure {
  atMs: number;
  step: string;
  command: string;
  why: string;
}

/** What all clients of one soak share. */
export interface Soak {
  lab: Lab;
  pool: VmPool;
  /** a git working tree on the host */
  repo: string;
  /** a folder of the host for files of the clients */
  files: string;
  /** 0 to 1, from the seed */
  random: () => number;
  /** commands that have ended, by step */
  counts: Map<string, number>;
  failures: Failure[];
  begunAt: number;
  /** ends the soak: commands that run are interrupted, and no other is started */
  signal: AbortSignal;
  /** returns a name that no VM has had yet */
  newName: () => string;
}

/** `ms` that a command may take, on a machine that emulates all of these VMs. */
const COMMAND_DEADLINE_MS = 240_000;

/** A command failed, which ends the step. */
export class StepFailed extends Error {}

/**
 * Runs a command that must succeed.
 *
 * @throws {StepFailed} when it failed, took too long, or printed something unexpected; the failure is then
 * also in `soak.failures`. The abort reason of `soak.signal`.
 */
export async function must(
  soak: Soak,
  step: string,
  args: readonly string[],
  options: RunOptions & { check?: (ran: Ran) => string | undefined } = {},
): Promise<Ran> {
  const { signal } = soak;
  signal.throwIfAborted();
  const running = soak.lab.start(args, options);
  using _interrupt = onAbort(signal, () => running.kill('SIGINT'));
  const timer = setTimeout(() => running.kill('SIGKILL'), COMMAND_DEADLINE_MS);
  const ran = await running.done;
  clearTimeout(timer);
  signal.throwIfAborted();
  const why = ran.code === 0 ? options.check?.(ran) : `ended with ${ran.code ?? ran.signal}`;
  if (why !== undefined) {
    const failure = {
      atMs: Date.now() - soak.begunAt,
      step,
      command: args.join(' '),
      why: `${why}; stderr: ${ran.stderr.trim().slice(-600)}`,
    };
    soak.failures.push(failure);
    throw new StepFailed(failure.why);
  }
  return ran;
}

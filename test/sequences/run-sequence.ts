import type { Abortable } from '../../src/base/abort.ts';
import { type Bench, listVms, wakeDaemon } from './bench.ts';
import { chooseStep, type Draw } from './choose-step.ts';
import { observe } from './observe.ts';
import { perform } from './perform.ts';
import { describeStep, type Step } from './step.ts';
import { outcomesOf, type WorldModel } from './world-model.ts';

/** A sequence that failed: the steps that were performed, and the problem after them. */
class SequenceFailed extends Error {
  constructor(steps: readonly string[], cause: unknown) {
    super(
      `${cause instanceof Error ? cause.message : cause}\nafter:\n${steps.map((one) => `  ${one}`).join('\n')}`,
    );
    this.name = 'SequenceFailed';
    this.cause = cause;
  }
}

/**
 * Runs one sequence in a lab without VMs, and leaves none. After each step it compares the affected VMs with
 * the model. At the end it compares all VMs, running and then stopped, and checks their file systems; then
 * nothing may be left on the host.
 *
 * @throws {SequenceFailed}; then VMs may be left.
 */
export async function runSequence(
  bench: Bench,
  draws: readonly Draw[],
  { signal, note }: Abortable & { note: (text: string) => void },
): Promise<void> {
  const steps: string[] = [];
  let world: WorldModel = new Map();
  const take = async (step: Step): Promise<void> => {
    signal.throwIfAborted();
    steps.push(describeStep(step));
    const begun = performance.now();
    const outcomes = outcomesOf(world, step);
    await perform(bench, step);
    world = await observe(bench, outcomes, concernedBy(step, world));
    note(`${describeStep(step)} (${Math.round(performance.now() - begun)} ms)`);
  };
  try {
    for (const [at, draw] of draws.entries()) await take(chooseStep(world, draw, at));
    world = await observe(bench, [world], new Set(world.keys()));
    const ways = ['stop', 'kill-vmm', 'suspend'] as const;
    for (const [at, { name, state }] of [...world.values()].entries()) {
      const way = ways[((draws[at]?.detail ?? 0) + at) % ways.length] ?? 'stop';
      if (state === 'running') await take({ do: way, vm: name });
    }
    for (const name of world.keys()) await take({ do: 'delete', vm: name });
    await bench.lab.nothingLeft();
  } catch (error) {
    throw new SequenceFailed(steps, error);
  }
}

/** Deletes the VMs that a failed sequence has left. */
export async function clearBench(bench: Bench): Promise<void> {
  await wakeDaemon(bench);
  for (const { name } of await listVms(bench)) await bench.lab.run(['vm', 'delete', name]);
}

/** All of them after the daemon was killed, because that might affect each of them. */
function concernedBy(step: Step, world: WorldModel): ReadonlySet<string> {
  const isDaemonKilled = step.do === 'kill-daemon' || step.interruption?.whom === 'daemon';
  const own = [step.vm, ...(step.do === 'fork' ? [step.to] : [])];
  return new Set(isDaemonKilled ? [...world.keys(), ...own] : own);
}

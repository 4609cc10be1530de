import { SMALL_SHAPE } from '../support/small-shape.ts';
import { RUDE_STEPS } from './rude-steps.ts';
import { must, type Soak, StepFailed } from './soak.ts';
import { STEPS, type Step } from './steps.ts';

const ALL_STEPS: readonly Step[] = [...STEPS, ...RUDE_STEPS];
const WEIGHTS = ALL_STEPS.reduce((sum, { weight }) => sum + weight, 0);

/** Reports progress after so many cycles. */
const CYCLES_A_LINE = 50;

/** Creates, uses and deletes a VM, `count` times. */
export async function runCycles(soak: Soak, count: number): Promise<void> {
  for (let cycle = 0; cycle < count; cycle += 1) {
    const name = soak.newName();
    await attempt(soak, 'cycle', async () => {
      await must(soak, 'cycle', ['vm', 'create', '-q', '--name', name, ...SMALL_SHAPE]);
      await must(soak, 'cycle', ['vm', 'exec', name, '--', 'hostname'], {
        check: ({ stdout }) => (stdout.toString() === `${name}\n` ? undefined : `printed "${stdout}"`),
      });
      await must(soak, 'cycle', ['vm', 'delete', name]);
      return true;
    });
    if ((cycle + 1) % CYCLES_A_LINE === 0) process.stderr.write(`${cycle + 1} cycles\n`);
  }
}

/** Performs all steps of clients, one after another, with a few VMs; then deletes them. */
export async function runEachStep(soak: Soak): Promise<void> {
  const [create] = STEPS.filter(({ name }) => name === 'create');
  for (let vm = 0; vm < 3; vm += 1) if (create) await attempt(soak, create.name, () => create.run(soak));
  for (const step of ALL_STEPS) await attempt(soak, step.name, () => step.run(soak));
  await deleteAll(soak);
}

/** Runs `count` clients concurrently for `durationMs`, then deletes the VMs that they have left. */
export async function runClients(
  soak: Soak,
  { count, durationMs }: { count: number; durationMs: number },
): Promise<void> {
  const endsAt = performance.now() + durationMs;
  const client = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      const step = chosen(soak.random);
      await attempt(soak, step.name, () => step.run(soak));
    }
  };
  // All of them have ended before anything is cleaned up.
  for (const ended of await Promise.allSettled(Array.from({ length: count }, client))) {
    if (ended.status === 'rejected') throw ended.reason;
  }
  await deleteAll(soak);
}

async function deleteAll(soak: Soak): Promise<void> {
  for (const vm of soak.pool.all()) {
    await attempt(soak, 'delete at the end', async () => {
      await must(soak, 'delete at the end', ['vm', 'delete', vm.name]);
      return true;
    });
    soak.pool.remove(vm);
  }
}

async function attempt(soak: Soak, name: string, work: () => Promise<boolean>): Promise<void> {
  try {
    if (await work()) soak.counts.set(name, (soak.counts.get(name) ?? 0) + 1);
    // Yields to the event loop, because clients without a possible step would otherwise block the others.
    else await new Promise((resolve) => setImmediate(resolve));
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
  }
}

function chosen(random: () => number): Step {
  let rest = random() * WEIGHTS;
  for (const step of ALL_STEPS) {
    rest -= step.weight;
    if (rest < 0) return step;
  }
  return ALL_STEPS[0] as Step;
}

import { parseArgs } from 'node:util';
import { ensureDefaultImage } from '../../scripts/test/default-image.ts';
import { messageOf } from '../../src/base/errors.ts';
import { interruptSignal } from '../support/interrupt-signal.ts';
import { APPLY_NAME, interruptApply } from '../support/steps/apply-steps.ts';
import { BASE_SCENARIOS } from '../support/steps/base-scenarios.ts';
import { fakeWorld } from '../support/steps/fake-world.ts';
import { type Interrupted, interruptEach } from '../support/steps/interrupt.ts';
import { interruptPull, PULL_NAME } from '../support/steps/pull-steps.ts';
import { openQemuStepLab, qemuWorld } from '../support/steps/qemu-world.ts';
import { SCENARIOS, type Scenario, type ScenarioWorld } from '../support/steps/scenarios.ts';
import { openStepLab, type StepLab, type StepLabOptions } from '../support/steps/step-lab.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const KINDS = ['daemon', 'client', 'vmm', 'disk', 'hang', 'agent', 'pull'] as const;
type Kind = (typeof KINDS)[number];

const USAGE = `usage: npm run crash-steps -- [--host-guests] [--scenario TEXT] [--kind daemon|client|vmm|disk|hang|agent|pull] [--stride 5] [--from 1]

Interrupts every operation that makes or uses saved guests, or work disks with working trees, at its steps, with real VMs: the daemon is killed, or a VMM, or the client ends, or the disk is full, or a VMM hangs. The agent is killed while it applies a change of a working tree, and what pulls into a working tree of this host while it does.

  --host-guests
              with guests of this host instead of VMs, as npm test does at some of the steps; none hangs
  --scenario  only those whose name has this in it
  --kind      only this interruption; disk needs root, for a file system to fill; client: of operations with working trees; agent: kills
              the agent while it applies a change of a working tree, on this host; pull: kills what pulls into a working
              tree, or takes a pull back; both need strace
  --stride    every how many steps; 1: at each
  --from      the first step
`;

/** Room for a VM, a copy of it and two forks. */
const DISK_BYTES = 2 * 2 ** 30;

/** What is interrupted, and how a guest is made for it. */
interface Guests {
  kinds: readonly Kind[];
  openLab(options: Pick<StepLabOptions, 'hasStandby' | 'sizeBytes'>): Promise<StepLab>;
  worldOf(lab: StepLab): ScenarioWorld;
}

const VMS: Guests = { kinds: KINDS, openLab: openQemuStepLab, worldOf: qemuWorld };

const HOST_GUESTS: Guests = {
  kinds: KINDS.filter((kind) => kind !== 'hang'),
  openLab: (options) => openStepLab({ kind: 'fake', ownsCache: true, ...options }),
  worldOf: fakeWorld,
};

process.exitCode = await main(interruptSignal()).catch((error: unknown) => {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  return 1;
});

async function main(signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({
    options: {
      'host-guests': { type: 'boolean', default: false },
      scenario: { type: 'string', default: '' },
      kind: { type: 'string' },
      stride: { type: 'string', default: '5' },
      from: { type: 'string', default: '1' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const guests = values['host-guests'] ? HOST_GUESTS : VMS;
  const kinds = guests.kinds.filter((kind) => values.kind === undefined || kind === values.kind);
  const scenarios = [...SCENARIOS, ...BASE_SCENARIOS].filter(({ name }) => name.includes(values.scenario));
  const isOfAgent = kinds.includes('agent') && APPLY_NAME.includes(values.scenario);
  const isOfPull = kinds.includes('pull') && PULL_NAME.includes(values.scenario);
  if (kinds.length === 0 || (scenarios.length === 0 && !isOfAgent && !isOfPull))
    throw new Error(`unknown scenario or kind\n${USAGE}`);
  const steps = { stride: Number(values.stride), from: Number(values.from), signal };
  const needsVms = kinds.some((kind) => kind !== 'agent' && kind !== 'pull');
  if (guests === VMS && needsVms) await ensureDefaultImage(ROOT);
  let problemCount = 0;
  const say = (what: string, { hits, problems }: Interrupted): void => {
    process.stdout.write(`${what}: ${hits.length} steps, ${problems.length} problems\n`);
    for (const problem of problems) process.stdout.write(`  ${problem}\n`);
    problemCount += problems.length;
  };
  for (const scenario of scenarios) {
    for (const kind of kinds) {
      if (kind === 'agent' || kind === 'pull' || (kind === 'client' && !BASE_SCENARIOS.includes(scenario)))
        continue;
      say(`${scenario.name}, ${kind}`, await interrupt(scenario, kind, { guests, ...steps }));
    }
  }
  if (isOfAgent) say(`${APPLY_NAME}, agent`, await interruptApply(steps));
  if (isOfPull) say(`${PULL_NAME}, daemon`, await interruptPull(steps));
  process.stdout.write(`${problemCount} problems\n`);
  return problemCount === 0 ? 0 : 1;
}

async function interrupt(
  scenario: Scenario,
  kind: Exclude<Kind, 'agent' | 'pull'>,
  { guests, ...steps }: { guests: Guests; stride: number; from: number; signal: AbortSignal },
): Promise<Interrupted> {
  await using lab = await guests.openLab({
    hasStandby: scenario.hasStandby,
    ...(kind === 'disk' ? { sizeBytes: DISK_BYTES } : {}),
  });
  const all: Interrupted = { hits: [], problems: [], codes: [] };
  const world = guests.worldOf(lab);
  for (const whose of await victimsOf(scenario, kind, world)) {
    const found = await interruptEach(world, scenario, {
      ...steps,
      action: () => {
        switch (kind) {
          case 'daemon':
          case 'client':
            return { kind };
          case 'disk':
            return { kind: 'full', dir: lab.mountedDir };
          case 'vmm':
          case 'hang':
            return { kind, pattern: scenario.victims(world)[whose] ?? '' };
        }
      },
    });
    all.hits.push(...found.hits);
    all.problems.push(...found.problems);
  }
  return all;
}

/** The VMs whose VMMs are killed, one after another. */
async function victimsOf(scenario: Scenario, kind: Kind, world: ScenarioWorld): Promise<string[]> {
  if (kind !== 'vmm' && kind !== 'hang') return [''];
  await world.lab.start();
  await scenario.prepare(world);
  return Object.keys(scenario.victims(world));
}

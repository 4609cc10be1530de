import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BASE_SCENARIOS } from '../../support/steps/base-scenarios.ts';
import { fakeWorld } from '../../support/steps/fake-world.ts';
import { interruptEach } from '../../support/steps/interrupt.ts';
import type { StepAction } from '../../support/steps/step-daemon.ts';
import { openStepLab, type StepLab } from '../../support/steps/step-lab.ts';

const isRoot = process.getuid?.() === 0;

/** Room for a VM, a template and two base images. */
const DISK_BYTES = 512 * 2 ** 20;

/** The daemon starts many times, which takes long on a busy host. */
const TIMEOUT_MS = 10 * 60_000;

/**
 * Few scenarios and steps, because each step starts a daemon on a busy host; `npm run crash-steps` takes all
 * of them.
 */
const KINDS: readonly {
  kind: string;
  scenarios: string;
  stride: number;
  from: number;
  sizeBytes?: number;
  action: (lab: StepLab) => StepAction;
}[] = [
  {
    ...{ kind: 'a daemon that is killed', scenarios: 'again', stride: 130, from: 40 },
    action: () => ({ kind: 'daemon' }),
  },
  {
    ...{ kind: 'a daemon that is killed', scenarios: 'submodule', stride: 160, from: 110 },
    action: () => ({ kind: 'daemon' }),
  },
  {
    ...{ kind: 'a client that ends', scenarios: 'making a base image', stride: 60, from: 20 },
    action: () => ({ kind: 'client' }),
  },
  {
    ...{ kind: 'a VMM that is killed', scenarios: 'submodule', stride: 250, from: 120 },
    action: () => ({ kind: 'vmm', pattern: '.' }),
  },
  {
    ...{ kind: 'a disk that is full', scenarios: 'making a base image', stride: 120, from: 5 },
    sizeBytes: DISK_BYTES,
    action: ({ mountedDir }) => ({ kind: 'full', dir: mountedDir }),
  },
];

for (const { kind, scenarios, action, sizeBytes, ...steps } of KINDS) {
  const [scenario] = BASE_SCENARIOS.filter(({ name }) => name.includes(scenarios));
  assert.ok(scenario);
  test(`${scenario.name}: ${kind} leaves no half-made base image, no mixed tree and nothing else`, {
    timeout: TIMEOUT_MS,
    skip: sizeBytes === undefined || isRoot ? false : 'only root can mount a file system to fill',
  }, async () => {
    await using lab = await openStepLab({
      ...{ kind: 'fake', ownsCache: true },
      ...(sizeBytes === undefined ? {} : { sizeBytes }),
    });
    const { hits, problems } = await interruptEach(fakeWorld(lab), scenario, {
      ...steps,
      action: () => action(lab),
    });
    assert.deepEqual(problems, []);
    assert.ok(hits.length >= 1, scenario.name);
  });
}

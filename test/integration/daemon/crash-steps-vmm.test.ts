import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeWorld } from '../../support/steps/fake-world.ts';
import { interruptEach } from '../../support/steps/interrupt.ts';
import { SCENARIOS } from '../../support/steps/scenarios.ts';
import { openStepLab } from '../../support/steps/step-lab.ts';

/** The daemon starts many times, which takes long on a busy host. */
const TIMEOUT_MS = 10 * 60_000;

for (const scenario of SCENARIOS) {
  test(`${scenario.name}: a VMM that is killed at any step leaves nothing unfinished`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using lab = await openStepLab({ kind: 'fake', ownsCache: true, hasStandby: scenario.hasStandby });
    const world = fakeWorld(lab);
    await lab.start();
    await scenario.prepare(world);
    for (const whose of Object.keys(scenario.victims(world))) {
      const { hits, problems } = await interruptEach(world, scenario, {
        action: () => ({ kind: 'vmm', pattern: scenario.victims(world)[whose] ?? '' }),
        stride: 5,
      });
      assert.deepEqual(problems, []);
      assert.ok(hits.length >= 1, String(hits));
    }
  });
}

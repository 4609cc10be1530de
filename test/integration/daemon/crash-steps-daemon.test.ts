import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeWorld } from '../../support/steps/fake-world.ts';
import { interruptEach } from '../../support/steps/interrupt.ts';
import { SCENARIOS } from '../../support/steps/scenarios.ts';
import { openStepLab } from '../../support/steps/step-lab.ts';

/** The daemon starts many times, which takes long on a busy host. */
const TIMEOUT_MS = 10 * 60_000;

/** Every how many steps it is killed; `npm run crash-steps -- --host-guests --stride 1` kills it at each. */
const STRIDE = 3;

for (const [at, scenario] of SCENARIOS.entries()) {
  test(`${scenario.name}: a daemon that is killed at any step leaves nothing unfinished`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using lab = await openStepLab({ kind: 'fake', ownsCache: true, hasStandby: scenario.hasStandby });
    const { hits, problems } = await interruptEach(fakeWorld(lab), scenario, {
      action: () => ({ kind: 'daemon' }),
      stride: STRIDE,
      // Operations have steps in common, which so are all hit by some of them.
      from: 1 + (at % STRIDE),
    });
    assert.deepEqual(problems, []);
    assert.ok(hits.length >= 3, String(hits));
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeWorld } from '../../support/steps/fake-world.ts';
import { interruptEach } from '../../support/steps/interrupt.ts';
import { SCENARIOS } from '../../support/steps/scenarios.ts';
import { openStepLab } from '../../support/steps/step-lab.ts';

/** The daemon starts many times, which takes long on a busy host. */
const TIMEOUT_MS = 10 * 60_000;

for (const scenario of SCENARIOS) {
  test(`${scenario.name}: a daemon that is killed at any step leaves nothing unfinished`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    await using lab = await openStepLab({ kind: 'fake', ownsCache: true, hasStandby: scenario.hasStandby });
    const { hits, problems } = await interruptEach(fakeWorld(lab), scenario, {
      action: () => ({ kind: 'daemon' }),
    });
    assert.deepEqual(problems, []);
    assert.ok(hits.length >= 5, String(hits));
  });
}

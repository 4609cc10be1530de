import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeWorld } from '../../support/steps/fake-world.ts';
import { interruptEach } from '../../support/steps/interrupt.ts';
import { SCENARIOS } from '../../support/steps/scenarios.ts';
import { openStepLab } from '../../support/steps/step-lab.ts';

const isRoot = process.getuid?.() === 0;

/** Room for a VM, two forks, a copy and a template, whose copied drives have no holes. */
const DISK_BYTES = 1024 * 2 ** 20;

/** The daemon starts many times, which takes long on a busy host. */
const TIMEOUT_MS = 10 * 60_000;

for (const scenario of SCENARIOS) {
  test(`${scenario.name}: a disk that is full from any step on is reported, and leaves nothing unfinished`, {
    timeout: TIMEOUT_MS,
    skip: isRoot ? false : 'only root can mount a file system to fill',
  }, async () => {
    await using lab = await openStepLab({
      kind: 'fake',
      ownsCache: true,
      hasStandby: scenario.hasStandby,
      sizeBytes: DISK_BYTES,
    });
    const { hits, problems } = await interruptEach(fakeWorld(lab), scenario, {
      action: () => ({ kind: 'full', dir: lab.mountedDir }),
      stride: 5,
    });
    assert.deepEqual(problems, []);
    assert.ok(hits.length >= 2, String(hits));
  });
}

import assert from 'node:assert/strict';
import { neverAborts } from '../../../src/base/abort.ts';
import { shell } from '../daemon-lab.ts';
import type { ScenarioWorld } from './scenarios.ts';
import type { StepLab } from './step-lab.ts';

/** Scenarios with guests of this host. */
export function fakeWorld(lab: StepLab): ScenarioWorld {
  const signal = neverAborts();
  return {
    lab,
    shape: {},
    // Such a guest keeps nothing of its own: that it answers is all there is.
    mark: async () => {},
    async checkMarks() {
      using session = await lab.client.exec('src', shell('echo alive'), { signal });
      assert.equal((await session.collect()).stdout.toString(), 'alive\n');
    },
    settleMs: 3_000,
    // Its files are on this host's disk.
    fullCodes: ['HOST_NO_SPACE', 'GUEST_PERSONALISE_FAILED'],
  };
}

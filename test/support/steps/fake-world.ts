import assert from 'node:assert/strict';
import { neverAborts } from '../../../src/base/abort.ts';
import { shell } from '../daemon-lab.ts';
import { patient } from '../patience.ts';
import type { ScenarioWorld } from './scenarios.ts';
import type { StepLab } from './step-lab.ts';

/** Scenarios with guests that run on this host. */
export function fakeWorld(lab: StepLab): ScenarioWorld {
  const signal = neverAborts();
  return {
    lab,
    shape: {},
    // A fake guest has no state of its own; the only thing to check is that it answers.
    mark: async () => {},
    async checkMarks() {
      using session = await lab.client.exec('src', shell('echo alive'), { signal });
      assert.equal((await session.collect()).stdout.toString(), 'alive\n');
    },
    settleMs: patient(20_000),
    // A fake guest's files are on this host's disk.
    fullCodes: ['HOST_NO_SPACE', 'GUEST_PERSONALISE_FAILED'],
  };
}

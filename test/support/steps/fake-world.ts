import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { neverAborts } from '../../../src/base/abort.ts';
import { shell } from '../daemon-lab.ts';
import { patient } from '../patience.ts';
import type { ScenarioWorld } from './scenarios.ts';
import type { StepLab } from './step-lab.ts';

/** Scenarios with guests that run on this host. */
export function fakeWorld(lab: StepLab): ScenarioWorld {
  const signal = neverAborts();
  const sh = async (vm: string, script: string): Promise<string> => {
    using session = await lab.client.exec(vm, shell(script), { signal });
    return (await session.collect()).stdout.toString();
  };
  return {
    lab,
    shape: {},
    sh,
    // Not on the file system that is filled.
    repo: join(dirname(lab.mountedDir), 'repo'),
    guestPath: join(dirname(lab.mountedDir), 'guest-tree'),
    hasDisk: false,
    // A fake guest has no state of its own; the only thing to check is that it answers.
    mark: async () => {},
    async checkMarks() {
      assert.equal(await sh('src', 'echo alive'), 'alive\n');
    },
    settleMs: patient(20_000),
    // A fake guest's files are on this host's disk.
    fullCodes: ['HOST_NO_SPACE', 'GUEST_PERSONALISE_FAILED'],
  };
}

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { isAppError } from '../../../src/base/errors.ts';
import { type Environment, processEnvironment, resolvePaths } from '../../../src/config/settings.ts';
import { shell } from '../daemon-lab.ts';
import type { ScenarioWorld } from './scenarios.ts';
import { openStepLab, type StepLab, type StepLabOptions } from './step-lab.ts';

const signal = neverAborts();

/** A lab that uses the user's images and its own templates. */
export async function openQemuStepLab({
  hasStandby = false,
  ...options
}: Pick<StepLabOptions, 'hasStandby' | 'sizeBytes'>): Promise<StepLab> {
  const env = (dir: string): Environment => {
    const environment = {
      ...processEnvironment(),
      XDG_STATE_HOME: join(dir, 's'),
      XDG_RUNTIME_DIR: join(dir, 'r'),
      XDG_CONFIG_HOME: join(dir, 'c'),
      // Not on the file system that is filled. That is a tmpfs, which allocates a page when a VM reads a hole
      // of a template's memory file.
      XDG_CACHE_HOME: join(dirname(dir), 'h'),
    };
    const { configFile } = resolvePaths(environment);
    mkdirSync(dirname(configFile), { recursive: true });
    writeFileSync(configFile, `standby = ${hasStandby}\n`);
    return environment;
  };
  return await openStepLab({ ...options, kind: 'qemu', ownsCache: true, env });
}

/** Scenarios with real VMs. A mark is one file on the disk and one in memory. */
export function qemuWorld(lab: StepLab): ScenarioWorld {
  const sh = async (vm: string, script: string): Promise<string> => {
    using session = await lab.client.exec(vm, shell(script), { signal });
    return (await session.collect()).stdout.toString();
  };
  return {
    lab,
    shape: { memoryMib: 512, diskSizeBytes: 2 ** 30, systemOverlaySizeBytes: 2 ** 30 },
    sh,
    repo: join(dirname(lab.mountedDir), 'repo'),
    guestPath: '/root/copied',
    hasDisk: true,
    async mark() {
      await sh('src', 'echo disk >/root/mark; sync; echo memory >/dev/shm/mark');
    },
    async checkMarks({ isBooted }) {
      const marks = await onceThereIsSpace(() => sh('src', 'cat /root/mark /dev/shm/mark 2>/dev/null'));
      assert.equal(marks, isBooted ? 'disk\n' : 'disk\nmemory\n');
    },
    settleMs: 60_000,
    fullCodes: ['HOST_NO_SPACE'],
  };
}

/** A guest that was paused for lack of space resumes a moment after there is some. */
async function onceThereIsSpace<T>(work: () => Promise<T>): Promise<T> {
  const attempt = async (): Promise<{ value: T } | undefined> => {
    try {
      return { value: await work() };
    } catch (error) {
      if (!isAppError(error, 'HOST_NO_SPACE')) throw error;
      return undefined;
    }
  };
  const options = { everyMs: 100, deadlineMs: 55_000, what: 'the guest to go on', signal };
  return (await poll(attempt, options)).value;
}

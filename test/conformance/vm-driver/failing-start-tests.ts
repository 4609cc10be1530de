import assert from 'node:assert/strict';
import { readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAppError } from '../../../src/base/errors.ts';
import type { DriveSpec, VmSpec } from '../../../src/core/ports/vmm/spec.ts';
import { type DriverBench, type DriverTests, limit, MIB, prepare, withBoot } from './driver-tests.ts';
import { newPlace, type VmPlace } from './fixture.ts';

/** A start that fails or is aborted leaves nothing. */
export function addFailingStartTests(tests: DriverTests): void {
  tests.check(
    'a start that is aborted at any moment leaves no process and no socket',
    async ({ fixture, driver }) => {
      const { spec } = await newPlace(fixture);
      for (const waitMs of [0, 2, 5, 10, 15, 20, 30, 40]) {
        const stop = AbortSignal.timeout(waitMs);
        const begun = driver.start(spec, { signal: stop });
        await begun.then(
          (vm) => vm.kill(),
          (error) => assert.equal(error, stop.reason),
        );
        assert.deepEqual(await fixture.processes(), []);
        assert.deepEqual(await readdir(spec.runtimeDir), []);
      }
      const aborted = AbortSignal.abort(new Error('too late'));
      await assert.rejects(driver.start(spec, { signal: aborted }), /too late/);
    },
  );

  const BROKEN: readonly [string, (bench: DriverBench, place: VmPlace) => Promise<VmSpec>, string][] = [
    [
      'a missing kernel',
      async (_bench, { spec }) => withBoot(spec, { kernelPath: '/none', vmlinuxPath: '/none' }),
      'VMM_START_FAILED',
    ],
    [
      'a missing initrd',
      async (_bench, { spec }) => withBoot(spec, { initrdPath: '/none' }),
      'VMM_START_FAILED',
    ],
    ['a truncated drive', cutDrive, 'VMM_DRIVE_INVALID'],
    ['a missing drive', goneDrive, 'VMM_DRIVE_INVALID'],
  ];

  for (const [what, breakIt, code] of BROKEN) {
    tests.check(`a start with ${what} fails and leaves nothing`, async ({ fixture, driver }) => {
      const place = await newPlace(fixture);
      await assert.rejects(driver.start(await breakIt({ fixture, driver }, place), limit()), { code });
      assert.deepEqual(await readdir(place.spec.runtimeDir), []);
    });
  }

  tests.check(
    'a file that is not a kernel fails the start or ends the VM, with the cause in a log',
    async ({ fixture, driver }) => {
      const { spec, vmDir } = await newPlace(fixture);
      const kernelPath = join(vmDir, 'kernel');
      await writeFile(kernelPath, Buffer.alloc(4 * MIB, 'no kernel'));
      const begun = driver.start(withBoot(spec, { kernelPath, vmlinuxPath: kernelPath }), limit());
      await assert.rejects(
        begun,
        (error) => isAppError(error, 'VMM_START_FAILED') && /kernel/.test(error.message),
      );
      assert.deepEqual(await readdir(spec.runtimeDir), []);
    },
    { needs: ['kernel'] },
  );
}

async function cutDrive(bench: DriverBench, place: VmPlace): Promise<VmSpec> {
  const drives = await prepare(bench, place);
  await truncate((drives.find(({ serial }) => serial === 'work') as DriveSpec).pathOnHost, 4096);
  return { ...place.spec, drives };
}

async function goneDrive(bench: DriverBench, place: VmPlace): Promise<VmSpec> {
  const drives = await prepare(bench, place);
  await rm((drives.find(({ serial }) => serial === 'overlay') as DriveSpec).pathOnHost);
  return { ...place.spec, drives };
}

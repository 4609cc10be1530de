import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { poll } from '../../../src/base/abort.ts';
import { exec } from '../../../src/base/process/exec.ts';
import type { RunningVm } from '../../../src/core/ports/vmm/running-vm.ts';
import { patient } from '../../support/patience.ts';
import { fill } from '../../support/steps/fill.ts';
import { ask, type DriverBench, type DriverTests, limit, MIB, prepare } from './driver-tests.ts';
import { newPlace, type VmPlace } from './fixture.ts';
import { filesIn } from './saved-files.ts';

/**
 * A guest whose drives are on a full disk is paused, and resumes when there is space again, whatever happens
 * to it meanwhile.
 */
export function addFullDiskTests(tests: DriverTests): void {
  check(
    'a guest that is paused for lack of disk space can be saved, and resumes when there is space',
    async ({ fixture, driver }, { spec, vmDir }, small) => {
      const vm = await driver.start(spec, limit());
      await ask(vm, 'ping up', fixture);
      await standStill(vm, small);
      const saved = filesIn(vmDir, 'saved');
      await vm.save({ spec, to: saved }, limit());
      await vm.kill();
      const restored = await driver.restore(spec, saved, limit());
      await until(restored, { isStalled: true });
      await rm(join(small, 'filler'));
      assert.equal(await ask(restored, `read overlay ${32 * MIB} 16`, fixture), 'kept');
      await until(restored, { isStalled: false });
      await restored.kill();
    },
  );

  check(
    'a guest that lost its host while it was paused accepts the next one',
    async ({ fixture, driver }, { spec }, small) => {
      const vm = await driver.start(spec, limit());
      await ask(vm, 'ping up', fixture);
      await standStill(vm, small);
      await rm(join(small, 'filler'));
      await until(vm, { isStalled: false });
      assert.equal(await ask(vm, `read overlay ${32 * MIB} 16`, fixture), 'kept');
      await vm.kill();
    },
  );

  /** The drives of the VM are in a folder that is a file system of 16 MiB. */
  function check(
    what: string,
    body: (bench: DriverBench, place: VmPlace, small: string) => Promise<void>,
  ): void {
    tests.check(
      what,
      async (bench) => {
        const place = await newPlace(bench.fixture);
        const small = join(place.vmDir, 'small');
        await mkdir(small);
        await exec(['mount', '-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', small], limit());
        await using _mounted = disposable(() => exec(['umount', '-l', small], limit()));
        const drives = await prepare(bench, { ...place, vmDir: small });
        await body(bench, { ...place, spec: { ...place.spec, drives } }, small);
      },
      {
        needs: ['drives'],
        whyNot: async () =>
          process.getuid?.() === 0 ? undefined : 'only root can mount a file system to fill',
      },
    );
  }
}

/** Fills the disk and lets the guest write until it is paused, then hangs up. */
async function standStill(vm: RunningVm, dir: string): Promise<void> {
  fill(dir);
  const socket = connect(vm.guestEndpoint.path);
  await once(socket, 'connect');
  socket.write(`last write overlay ${32 * MIB} kept\n`);
  await until(vm, { isStalled: true });
  const closed = once(socket, 'close');
  socket.destroy();
  await closed;
}

async function until(vm: RunningVm, { isStalled }: Pick<RunningVm, 'isStalled'>): Promise<void> {
  const look = (): true | undefined => vm.isStalled === isStalled || undefined;
  await poll(look, {
    ...limit(),
    everyMs: 10,
    deadlineMs: patient(55_000),
    what: `isStalled to be ${isStalled}`,
  });
}

function disposable(dispose: () => Promise<unknown>): AsyncDisposable {
  return { [Symbol.asyncDispose]: async () => void (await dispose()) };
}

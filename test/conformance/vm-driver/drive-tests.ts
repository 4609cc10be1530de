import assert from 'node:assert/strict';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunningVm } from '../../../src/core/ports/vmm/running-vm.ts';
import type { DriveSpec } from '../../../src/core/ports/vmm/spec.ts';
import { ask, type DriverTests, limit, MIB, prepare } from './driver-tests.ts';
import { newPlace, readOnlyFiles } from './fixture.ts';
import { noNamespaces } from './host-checks.ts';
import { runTask } from './run-task.ts';
import { tellGuest } from './test-guest.ts';

/** Drives have the right content, size and kind, and reach the guest. */
export function addDriveTests(tests: DriverTests): void {
  tests.check('drives of an invalid size are refused and leave nothing', async ({ fixture, driver }) => {
    const place = await newPlace(fixture);
    for (const diskSizeBytes of [0, -4096, 1, 16 * MIB + 1]) {
      const begun = prepare({ fixture, driver }, place, { diskSizeBytes });
      await assert.rejects(begun, { code: 'VMM_DRIVE_INVALID' });
    }
    assert.deepEqual(await readdir(place.vmDir), ['r']);
  });

  tests.check(
    'a guest has drives of the right size and kind, and cannot write to read-only ones',
    async ({ fixture, driver }) => {
      const place = await newPlace(fixture);
      const drives = await prepare({ fixture, driver }, place);
      const vm = await driver.start({ ...place.spec, drives }, limit());
      const seen = (await ask(vm, 'drives', fixture)).split(' ').sort();
      const meant = drives.map((d) => `${d.serial}:${d.sizeBytes}:${d.isReadOnly ? 'ro' : 'rw'}`).sort();
      assert.deepEqual(seen, meant);
      assert.equal(await ask(vm, 'read root 0 8', fixture), 'the-root');
      for (const serial of ['root', 'modules']) {
        await assert.rejects(
          ask(vm, `write ${serial} 0 spoiled`, fixture),
          /guest: .*(not permitted|read-only|denied)/i,
        );
      }
      assert.match(await readFile((drives[0] as DriveSpec).pathOnHost, 'latin1'), /^the-root/);
      await vm.kill();
    },
    { needs: ['drives'] },
  );

  tests.check('a drive grows between two starts, several times', async ({ fixture, driver }) => {
    const place = await newPlace(fixture);
    const drives = await prepare({ fixture, driver }, place);
    const work = drives.find(({ serial }) => serial === 'work') as DriveSpec;
    for (const times of [1, 2]) {
      const grown = await driver.growDrive(work, 96 * MIB);
      assert.deepEqual(grown, { ...work, sizeBytes: 96 * MIB }, `${times}`);
    }
    await assert.rejects(driver.growDrive(work, 16 * MIB), { code: 'VMM_DRIVE_INVALID' });
    const others = drives.filter((drive) => drive !== work);
    const spec = { ...place.spec, drives: [...others, { ...work, sizeBytes: 96 * MIB }] };
    const vm = await driver.start(spec, limit());
    if (!fixture.lacks.drives) {
      assert.match(await ask(vm, 'drives', fixture), new RegExp(`work:${96 * MIB}:rw`));
    }
    await vm.kill();
  });

  tests.check(
    'everything that a guest has written is there after kill(), flushed or not',
    async ({ fixture, driver }) => {
      const place = await newPlace(fixture);
      const spec = { ...place.spec, drives: await prepare({ fixture, driver }, place) };
      const first = await driver.start(spec, limit());
      for (const at of [0, 1, 2]) await ask(first, `write overlay ${at * 8 * MIB} kept-${at}`, fixture);
      await first.kill();
      const second = await driver.start(spec, limit());
      for (const at of [0, 1, 2]) {
        assert.equal(await ask(second, `read overlay ${at * 8 * MIB} 16`, fixture), `kept-${at}`);
      }
      await second.kill();
    },
    { needs: ['drives'] },
  );

  tests.check(
    'what a guest has written to a drive can be read while no VMM has it open, and nothing else',
    async ({ fixture, driver }) => {
      const place = await newPlace(fixture);
      const drives = await prepare({ fixture, driver }, place);
      const vm = await driver.start({ ...place.spec, drives }, limit());
      await ask(vm, `write overlay ${8 * MIB} kept`, fixture);
      await vm.kill();
      const overlay = drives.find(({ serial }) => serial === 'overlay') as DriveSpec;
      const target = join(place.vmDir, 'overlay.raw');
      await driver.readDrive(overlay, { target, ...limit() });
      const content = await readFile(target);
      assert.equal(content.length, overlay.sizeBytes);
      assert.equal(content.toString('latin1', 8 * MIB, 8 * MIB + 4), 'kept');
      await rm(target);
      const before = (await readdir(place.vmDir)).sort();
      const missing = { ...overlay, pathOnHost: join(place.vmDir, 'none') };
      await assert.rejects(driver.readDrive(missing, { target, ...limit() }), { code: 'VMM_DRIVE_INVALID' });
      const based = { ...overlay, base: { pathOnHost: overlay.pathOnHost, sizeBytes: overlay.sizeBytes } };
      await assert.rejects(driver.readDrive(based, { target, ...limit() }), { code: 'VMM_DRIVE_INVALID' });
      const reason = new Error('enough');
      const aborted = { target, signal: AbortSignal.abort(reason) };
      await assert.rejects(driver.readDrive(overlay, aborted), reason);
      assert.deepEqual((await readdir(place.vmDir)).sort(), before);
    },
    { needs: ['drives'] },
  );

  tests.check(
    'several VMs share one root, and the driver notices when they power off or panic',
    async ({ fixture, driver }) => {
      const places = [await newPlace(fixture), await newPlace(fixture)];
      const vms = await Promise.all(
        places.map(async (place) =>
          driver.start({ ...place.spec, drives: await prepare({ fixture, driver }, place) }, limit()),
        ),
      );
      const [one, two] = vms as [RunningVm, RunningVm];
      const seen = await Promise.all(vms.map((vm) => ask(vm, 'read root 0 8', fixture)));
      assert.deepEqual(seen, ['the-root', 'the-root']);
      await tellGuest(one.guestEndpoint, 'poweroff');
      await tellGuest(two.guestEndpoint, 'panic');
      await Promise.all(vms.map((vm) => vm.exited));
      for (const vm of vms) await vm.kill();
    },
    { needs: ['drives', 'panic'] },
  );

  for (const where of ['VM folder', 'cache'] as const) {
    tests.check(
      `drives without space in the ${where} are refused with the sizes, and leave nothing`,
      async ({ fixture }) => {
        const { vmDir } = await newPlace(fixture);
        const fullDir = join(vmDir, 'full');
        const cacheDir = where === 'cache' ? join(fullDir, 'cache') : fixture.driver.cacheDir;
        const request = {
          ...(await readOnlyFiles(fixture)),
          dir: where === 'cache' ? join(vmDir, 'roomy') : join(fullDir, 'vm'),
          overlayBytes: 64 * MIB,
          diskSizeBytes: 64 * MIB,
        };
        const task = { driver: { ...fixture.driver, cacheDir }, request, fullDir };
        const outcome = await runTask('prepareWithoutSpace', task, { prefix: ['unshare', '-Urm'] });
        assert.equal(outcome?.code, 'HOST_NO_SPACE', JSON.stringify(outcome));
        assert.match(outcome.message ?? '', /^Cannot make .* in ".*": .* are free$/);
        assert.equal(typeof outcome.details?.['freeBytes'], 'number');
        assert.deepEqual(outcome.left, []);
      },
      { needs: where === 'cache' ? ['blocks', 'cache'] : ['blocks'], whyNot: () => noNamespaces() },
    );
  }
}

import assert from 'node:assert/strict';
import { chmod, mkdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DriveBase, DriveSpec } from '../../../src/core/ports/vmm/spec.ts';
import { ask, type DriverBench, type DriverTests, limit, MIB, prepare } from './driver-tests.ts';
import { newPlace, type VmPlace } from './fixture.ts';
import { captureRequest, digestOf, drivesOf, filesIn } from './saved-files.ts';

/** Work disks over a base, and another work disk for a guest that runs. */
export function addBaseTests(tests: DriverTests): void {
  tests.check(
    'a guest reads what it has not written from the base of its work disk, which never changes',
    async (bench) => {
      const { fixture, driver } = bench;
      const [one, two] = [await newPlace(fixture), await newPlace(fixture)];
      const file = await imageFile(one, 'the-base');
      const before = await digestOf(file);
      for (const place of [one, two]) {
        const workBase = await basedOn(bench, place, file);
        const spec = { ...place.spec, drives: await prepare(bench, place, { workBase }) };
        for (const round of [1, 2]) {
          const vm = await driver.start(spec, limit());
          assert.equal(await ask(vm, 'read work 0 32', fixture), 'the-base');
          if (round === 2) assert.equal(await ask(vm, 'read work 8192 32', fixture), 'mine');
          else await ask(vm, 'write work 8192 mine', fixture);
          await vm.kill();
        }
        assert.equal(await digestOf(workBase.pathOnHost), before);
      }
    },
    { needs: ['drives'] },
  );

  tests.check('a guest that runs gets another work disk, with or without a base', async (bench) => {
    const { fixture, driver } = bench;
    const place = await newPlace(fixture);
    const drives = await prepare(bench, place);
    const vm = await driver.start({ ...place.spec, drives }, limit());
    if (!fixture.lacks.drives) await ask(vm, 'write work 8192 the-first', fixture);
    const missing = { ...workOf(drives), pathOnHost: join(place.vmDir, 'missing') };
    await assert.rejects(vm.replaceDrive(missing, limit()), { code: 'VMM_DRIVE_INVALID' });
    const work = await otherWorkDisk(bench, place, 'the-base');
    await vm.replaceDrive(work, limit());
    await rm(workOf(drives).pathOnHost);
    const spec = { ...place.spec, drives: withWork(drives, work) };
    if (fixture.lacks.drives) return await vm.kill();
    assert.equal(await ask(vm, 'read work 0 32', fixture), 'the-base');
    assert.equal(await ask(vm, 'read work 8192 32', fixture), '');
    await ask(vm, 'write work 8192 the-second', fixture);
    await vm.kill();
    const again = await driver.start(spec, limit());
    assert.equal(await ask(again, 'read work 0 32', fixture), 'the-base');
    assert.equal(await ask(again, 'read work 8192 32', fixture), 'the-second');
    await again.kill();
  });

  tests.check('a VMM that has ended gets no other work disk', async (bench) => {
    const place = await newPlace(bench.fixture);
    const vm = await bench.driver.start({ ...place.spec, drives: await prepare(bench, place) }, limit());
    const work = await otherWorkDisk(bench, place, 'the-base');
    process.kill(vm.vmm.pid, 'SIGKILL');
    await vm.exited;
    await assert.rejects(vm.replaceDrive(work, limit()), { code: 'VMM_LOST' });
    await vm.kill();
  });
}

/** Saved guests and copies of guests whose work disk has a base. */
export function addSavedBaseTests(tests: DriverTests): void {
  tests.check(
    'a copy of a guest shares the base of its work disk, also one that it got later',
    async (bench) => {
      const { fixture, driver } = bench;
      for (const isLater of [false, true]) {
        const place = await newPlace(fixture);
        const file = await imageFile(place, 'the-base', 24 * MIB);
        const workBase = await basedOn(bench, place, file);
        const first = await prepare(bench, place, isLater ? {} : { workBase });
        const vm = await driver.start({ ...place.spec, drives: first }, limit());
        const work = isLater ? await otherWorkDisk(bench, place, 'the-base', 24 * MIB) : workOf(first);
        if (isLater) await vm.replaceDrive(work, limit());
        const spec = { ...place.spec, drives: withWork(first, work) };
        await ask(vm, 'write work 8192 written', fixture);
        const request = captureRequest({ ...place, spec }, 'copy');
        await vm.capture(request, limit());
        await ask(vm, 'write work 8192 later', fixture);
        assert.equal(await ask(vm, 'read work 0 32', fixture), 'the-base');
        for (const { pathOnHost } of request.drives) {
          assert.ok((await stat(pathOnHost)).blocks * 512 < 4 * MIB, 'the base is not copied');
        }
        const other = await newPlace(fixture);
        const otherBase = await basedOn(bench, other, workBase.pathOnHost);
        const copyOf = drivesOf(spec, request);
        const drives = await prepare(bench, other, { copyOf, workBase: otherBase });
        const copy = await driver.restore({ ...other.spec, drives }, request.to, limit());
        assert.equal(await ask(copy, 'read work 0 32', fixture), 'the-base');
        assert.equal(await ask(copy, 'read work 8192 32', fixture), 'written');
        const saved = filesIn(place.vmDir, 'saved');
        await vm.save({ spec, to: saved }, limit());
        await vm.kill();
        const resumed = await driver.restore(spec, saved, limit());
        assert.equal(await ask(resumed, 'read work 0 32', fixture), 'the-base');
        assert.equal(await ask(resumed, 'read work 8192 32', fixture), 'later');
        for (const one of [copy, resumed]) await one.kill();
      }
    },
  );
}

function workOf(drives: readonly DriveSpec[]): DriveSpec {
  return drives.find(({ serial }) => serial === 'work') ?? assert.fail('there is no work disk');
}

/** The drives in their order, which a saved guest requires. */
function withWork(drives: readonly DriveSpec[], work: DriveSpec): DriveSpec[] {
  return drives.map((drive) => (drive.serial === 'work' ? work : drive));
}

/** A raw image that begins with a text, and whose rest is not zeros. */
async function imageFile({ vmDir }: VmPlace, text: string, sizeBytes = MIB): Promise<string> {
  const file = join(vmDir, 'image');
  const content = Buffer.alloc(sizeBytes, 'x');
  content.fill(0, 0, 16 * 1024);
  content.write(text);
  await writeFile(file, content, { mode: 0o600 });
  await truncate(file, sizeBytes);
  await chmod(file, 0o400);
  return file;
}

function basedOn({ driver }: DriverBench, { spec }: VmPlace, file: string): Promise<DriveBase> {
  return driver.addBase({ file, dir: spec.baseDir ?? assert.fail() }, limit());
}

async function otherWorkDisk(
  bench: DriverBench,
  place: VmPlace,
  text: string,
  sizeBytes?: number,
): Promise<DriveSpec> {
  const dir = join(place.vmDir, 'other');
  await mkdir(dir);
  await rm(join(place.vmDir, 'image'), { force: true });
  const workBase = await basedOn(bench, place, await imageFile(place, text, sizeBytes));
  return await bench.driver.prepareWorkDisk({ dir, diskSizeBytes: 32 * MIB, workBase }, limit());
}

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunningVm } from '../../../src/core/ports/vmm/running-vm.ts';
import type { VmSpec } from '../../../src/core/ports/vmm/spec.ts';
import { addSavedBaseTests } from './base-tests.ts';
import { ask as askVm, type DriverBench, describeDriver, limit, MIB, prepare } from './driver-tests.ts';
import { makeDriver } from './drivers.ts';
import { type DriverFixture, newPlace, type VmPlace } from './fixture.ts';
import { addFullDiskTests } from './full-disk-tests.ts';
import { runTask } from './run-task.ts';
import { captureRequest, cut, digestOf, drivesOf, filesIn, filesOf } from './saved-files.ts';
import { talkDeaf } from './test-guest.ts';

/**
 * The suite that every VM driver passes that saves guests. `makeFixture` is as for `describeVmDriver`.
 */
export function describeSaving(
  name: string,
  makeFixture: (dir: string) => Promise<DriverFixture | string>,
): void {
  describeDriver(`saved guests of VM driver "${name}"`, makeFixture, (tests) => {
    let bench: DriverBench;
    const check = (what: string, body: (bench: DriverBench) => Promise<void>): void =>
      tests.check(what, async (made) => {
        bench = made;
        await body(made);
      });

    check('a saved guest continues where it was, with its drives, more than once', async () => {
      const place = await newVm();
      const vm = await started(place.spec);
      await ask(vm, 'remember what-it-knew');
      await ask(vm, 'write work 8192 what-it-wrote');
      const saved = filesIn(place.vmDir, 'saved');
      await vm.save({ spec: place.spec, to: saved }, limit());
      await vm.kill();
      const before = await digestOf(saved.memoryPath);
      for (const round of [1, 2]) {
        const copy = await copyOf(place.spec);
        const events: string[] = [];
        const restored = await bench.driver.restore(copy, saved, {
          ...limit(),
          onVmm: () => events.push('vmm'),
          beforeRun: () => events.push('run'),
        });
        assert.deepEqual(events, ['vmm', 'run']);
        assert.equal(await ask(restored, 'recall'), 'what-it-knew', `round ${round}`);
        assert.equal(await ask(restored, 'read work 8192 32'), 'what-it-wrote');
        await ask(restored, 'remember something-else');
        await ask(restored, 'write work 8192 something-else');
        await restored.kill();
      }
      assert.equal(
        await digestOf(saved.memoryPath),
        before,
        'restored guests do not write to what was saved',
      );
    });

    check(
      'a restored guest can be saved like any other, including memory that it has not touched',
      async () => {
        const place = await newVm();
        let spec = place.spec;
        let vm = await started(spec);
        await ask(vm, 'remember from-the-first');
        for (const round of [1, 2, 3]) {
          const saved = filesIn(place.vmDir, `saved${round}`);
          await vm.save({ spec, to: saved }, limit());
          await vm.kill();
          const { size, blocks } = await stat(saved.memoryPath);
          assert.equal(size, spec.memoryMib * MIB);
          assert.ok(blocks * 512 < size, 'zeros take no space');
          spec = await copyOf(spec);
          vm = await bench.driver.restore(spec, saved, limit());
          assert.equal(await ask(vm, 'recall'), 'from-the-first', `round ${round}`);
        }
        await vm.kill();
      },
    );

    check('a copy has the memory and the drives of one moment, and the guest keeps running', async () => {
      const place = await newVm();
      const vm = await started(place.spec);
      await ask(vm, 'churn');
      let resumeCount = 0;
      vm.onResume(() => {
        resumeCount += 1;
      });
      for (const round of [1, 2]) {
        await ask(vm, `write overlay 8192 before-${round}`);
        await ask(vm, `remember before-${round}`);
        const request = captureRequest(place, `copy${round}`);
        const { pausedMs } = await vm.capture(request, limit());
        assert.ok(pausedMs > 0);
        assert.ok(resumeCount >= round);
        assert.equal(vm.isPaused, false);
        await ask(vm, 'write overlay 8192 after');
        await ask(vm, 'remember after');
        const copy = await copyOf({ ...place.spec, drives: drivesOf(place.spec, request) });
        const restored = await bench.driver.restore(copy, request.to, limit());
        assert.equal(await ask(restored, 'recall'), `before-${round}`);
        assert.equal(await ask(restored, 'read overlay 8192 32'), `before-${round}`);
        assert.match(await ask(restored, 'settle'), /^whole/);
        await restored.kill();
      }
      assert.equal(await ask(vm, 'recall'), 'after');
      assert.match(await ask(vm, 'settle'), /^whole/);
      await vm.kill();
    });

    check('drives are copied as of one moment, without the memory, and the guest keeps running', async () => {
      const place = await newVm();
      const vm = await started(place.spec);
      await ask(vm, 'remember still');
      await ask(vm, 'write overlay 8192 before');
      const { drives } = captureRequest(place, 'drives');
      const { pausedMs } = await vm.copyDrives({ spec: place.spec, drives }, limit());
      assert.ok(pausedMs >= 0);
      assert.equal(vm.isPaused, false);
      await ask(vm, 'write overlay 8192 after-');
      assert.equal(await ask(vm, 'recall'), 'still');
      const overlay = drivesOf(place.spec, {
        spec: place.spec,
        to: filesIn(place.vmDir, 'none'),
        drives,
      }).find(({ serial }) => serial === 'overlay');
      assert.ok(overlay);
      const target = join(place.vmDir, 'drives.raw');
      await bench.driver.readDrive(overlay, { target, ...limit() });
      assert.equal((await readFile(target)).toString('latin1', 8192, 8198), 'before');
      const nowhere = [{ serial: 'overlay' as const, pathOnHost: join(place.vmDir, 'no', 'overlay') }];
      await assert.rejects(vm.copyDrives({ spec: place.spec, drives: nowhere }, limit()));
      assert.equal(vm.isPaused, false);
      assert.equal(await ask(vm, 'read overlay 8192 6'), 'after-');
      await vm.kill();
    });

    check('a guest that was copied without a host connection accepts a host in the copy', async () => {
      const place = await newVm();
      const vm = await started(place.spec);
      await ask(vm, 'remember what-it-knew');
      // The guest's answers fill all buffers between it and a host that does not read.
      using deaf = await talkDeaf(vm.guestEndpoint.path);
      const request = captureRequest(place, 'copy');
      await vm.capture(request, limit());
      deaf[Symbol.dispose]();
      assert.equal(await ask(vm, 'recall'), 'what-it-knew');
      const copy = await copyOf({ ...place.spec, drives: drivesOf(place.spec, request) });
      const restored = await bench.driver.restore(copy, request.to, limit());
      assert.equal(await ask(restored, 'recall'), 'what-it-knew');
      await restored.kill();
      await vm.kill();
    });

    check(
      'a save or a copy that fails or is aborted leaves nothing, and the guest keeps running',
      async () => {
        const place = await newVm();
        const vm = await started(place.spec);
        await ask(vm, 'remember still');
        const { spec } = place;
        const nowhere = {
          memoryPath: join(place.vmDir, 'no', 'memory'),
          statePath: join(place.vmDir, 'no', 'state'),
        };
        const taken = filesIn(place.vmDir, 'taken');
        await writeFile(taken.statePath, 'mine');
        const files = (await readdir(place.vmDir)).sort();
        await assert.rejects(vm.save({ spec, to: nowhere }, limit()), { code: 'ENOENT' });
        await assert.rejects(vm.capture({ ...captureRequest(place, 'x'), to: nowhere }, limit()), {
          code: 'ENOENT',
        });
        await assert.rejects(vm.save({ spec, to: taken }, limit()), { code: 'EEXIST' });
        // Another VMM must be started first, so none of them has ended by then.
        for (const waitMs of [0, 15, 30, 45]) {
          const to = filesIn(place.vmDir, 'aborted');
          const signal = AbortSignal.timeout(waitMs);
          await assert.rejects(
            vm.save({ spec, to }, { signal }),
            (error) => error === signal.reason,
            `${waitMs} ms`,
          );
          assert.deepEqual((await readdir(place.vmDir)).sort(), files);
        }
        for (const waitMs of Array.from({ length: 20 }, (_, at) => 30 + at * 9)) {
          const request = captureRequest(place, 'aborted');
          const signal = AbortSignal.timeout(waitMs);
          const outcome = await vm.capture(request, { signal }).then(
            () => 'done',
            (error: unknown) => error,
          );
          if (outcome === 'done') for (const path of filesOf(request)) await rm(path);
          else assert.equal(outcome, signal.reason);
          assert.equal(await ask(vm, 'recall'), 'still');
          assert.deepEqual((await readdir(place.vmDir)).sort(), files);
        }
        assert.equal(await readFile(taken.statePath, 'utf8'), 'mine');
        await vm.kill();
      },
    );

    check(
      'a guest whose daemon process died during a copy is adopted and keeps running',
      async ({ fixture }) => {
        const place = await newVm();
        for (const waitMs of [50, 120, 200]) {
          const vm = await started(place.spec);
          await ask(vm, 'remember still');
          const files = (await readdir(place.spec.runtimeDir)).sort();
          vm.detach();
          const task = { driver: fixture.driver, request: captureRequest(place, `dead${waitMs}`), waitMs };
          await runTask('captureAndDie', task, { okCodes: [137] });
          const later = makeDriver(fixture.driver);
          const adopted = await later.adopt(place.spec, limit());
          assert.ok(adopted, `${waitMs} ms`);
          assert.equal(await ask(adopted, 'recall'), 'still');
          assert.deepEqual(await fixture.processes(), [adopted.vmm.pid]);
          assert.deepEqual((await readdir(place.spec.runtimeDir)).sort(), files);
          // It can be copied again.
          const request = captureRequest(place, `again${waitMs}`);
          await adopted.capture(request, limit());
          await adopted.kill();
          const copy = await copyOf({ ...place.spec, drives: drivesOf(place.spec, request) });
          const restored = await later.restore(copy, request.to, limit());
          assert.equal(await ask(restored, 'recall'), 'still');
          await restored.kill();
        }
      },
    );

    addSavedBaseTests(tests);
    addFullDiskTests(tests);

    check('anything but a saved guest is refused, and nothing is left', async () => {
      const place = await newVm();
      const saved = filesIn(place.vmDir, 'saved');
      const vm = await started(place.spec);
      await vm.save({ spec: place.spec, to: saved }, limit());
      await vm.kill();
      const copy = await copyOf(place.spec);
      const damage: [string, () => Promise<void>][] = [
        ['state cut short', async () => await cut(saved.statePath, 1000)],
        ['state of zeros', async () => await writeFile(saved.statePath, Buffer.alloc(100_000))],
        ['memory cut short', async () => await cut(saved.memoryPath, MIB)],
        ['no memory', async () => await rm(saved.memoryPath)],
        ['no state', async () => await rm(saved.statePath)],
      ];
      for (const [what, spoil] of damage) {
        await spoil();
        await assert.rejects(
          bench.driver.restore(copy, saved, limit()),
          { code: 'VMM_RESTORE_FAILED' },
          what,
        );
        assert.deepEqual(await readdir(copy.runtimeDir), []);
        assert.deepEqual(await bench.fixture.processes(), []);
      }
      assert.ok(!existsSync(saved.memoryPath));
    });

    async function newVm(): Promise<VmPlace> {
      const place = await newPlace(bench.fixture);
      return { ...place, spec: { ...place.spec, drives: await prepare(bench, place) } };
    }

    /** The same VM in another place, with copies of its drives. */
    async function copyOf({ drives }: VmSpec): Promise<VmSpec> {
      const place = await newPlace(bench.fixture);
      return { ...place.spec, drives: await prepare(bench, place, { copyOf: drives }) };
    }

    async function started(spec: VmSpec): Promise<RunningVm> {
      const vm = await bench.driver.start(spec, limit());
      await ask(vm, 'ping up');
      return vm;
    }

    function ask(vm: RunningVm, request: string): Promise<string> {
      return askVm(vm, request, bench.fixture);
    }
  });
}

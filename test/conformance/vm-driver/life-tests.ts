import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { patient } from '../../support/patience.ts';
import { soon } from '../../support/soon.ts';
import { until } from '../../support/until.ts';
import { ask, type DriverTests, limit } from './driver-tests.ts';
import { makeDriver } from './drivers.ts';
import { newPlace } from './fixture.ts';
import { runTask } from './run-task.ts';
import { tellGuest } from './test-guest.ts';

/** Tests of every way in which a VM starts, is adopted, and ends. */
export function addLifeTests(tests: DriverTests): void {
  tests.check('a guest answers, and its console is in the log', async ({ fixture, driver }) => {
    const { spec } = await newPlace(fixture);
    const vm = await driver.start(spec, limit());
    assert.equal(await ask(vm, 'ping hello', fixture), 'hello');
    await ask(vm, 'print words on the console', fixture);
    await until(async () => (await readFile(spec.consoleLogPath, 'utf8')).includes('words on the console'));
    await vm.kill();
    await vm.exited;
  });

  tests.check(
    'kill() is idempotent, removes the sockets, and settles exited',
    async ({ fixture, driver }) => {
      const { spec } = await newPlace(fixture);
      const vm = await driver.start(spec, limit());
      await Promise.all([vm.kill(), vm.kill()]);
      await vm.exited;
      await vm.kill();
      assert.deepEqual(await readdir(spec.runtimeDir), []);
      assert.deepEqual(await fixture.processes(), []);
    },
  );

  tests.check(
    'a VM can be started again in the same place, and its console log continues',
    async ({ fixture, driver }) => {
      const { spec } = await newPlace(fixture);
      await writeFile(spec.consoleLogPath, 'from before\n');
      const first = await driver.start(spec, limit());
      await first.kill();
      const second = await driver.start(spec, limit());
      assert.notDeepEqual(second.vmm, first.vmm);
      await ask(second, 'ping x', fixture);
      assert.match(await readFile(spec.consoleLogPath, 'utf8'), /^from before\n./);
      await second.kill({ areDrivesGivenUp: true });
      await second.exited;
      assert.deepEqual(await readdir(spec.runtimeDir), []);
      assert.deepEqual(await fixture.processes(), []);
    },
  );

  tests.check(
    'a start beside a running VMM of the VM is refused and does not disturb it',
    async ({ fixture, driver }) => {
      const { spec } = await newPlace(fixture);
      const vm = await driver.start(spec, limit());
      vm.detach();
      await assert.rejects(driver.start(spec, limit()), { code: 'VMM_ALREADY_RUNS' });
      const adopted = await driver.adopt(spec, limit());
      assert.deepEqual(adopted?.vmm, vm.vmm);
      const folders = { vmRuntimeDir: dirname(spec.runtimeDir), vmsDir: join(fixture.dir, 'vms') };
      assert.deepEqual(await driver.listRunning(folders), [basename(spec.runtimeDir)]);
      await assert.rejects(driver.start(spec, limit()), { code: 'VMM_ALREADY_RUNS' });
      assert.ok(adopted);
      assert.equal(await ask(adopted, 'ping still', fixture), 'still');
      await adopted.kill();
      assert.deepEqual(await driver.listRunning(folders), []);
    },
  );

  tests.check(
    'a VM outlives the process that started it, and another process adopts it',
    async ({ fixture }) => {
      const { spec } = await newPlace(fixture);
      const vmm = await runTask('start', { driver: fixture.driver, spec }, { isKilled: true });
      const later = makeDriver(fixture.driver);
      const vm = await later.adopt(spec, limit());
      assert.ok(vmm);
      assert.deepEqual(vm?.vmm, vmm);
      assert.ok(vm);
      assert.equal(await ask(vm, 'ping over', fixture), 'over');
      await vm.kill();
      await vm.exited;
    },
  );

  tests.check(
    'a process that has detached from its VM ends by itself, and killStray() finds the VM',
    async ({ fixture }) => {
      const { spec } = await newPlace(fixture);
      await runTask('startAndDetach', { driver: fixture.driver, spec });
      assert.equal((await fixture.processes()).length, 1);
      const later = makeDriver(fixture.driver);
      await later.killStray(spec);
      assert.deepEqual(await fixture.processes(), []);
      assert.deepEqual(await readdir(spec.runtimeDir), []);
      await later.killStray(spec);
    },
  );

  tests.check(
    'a VM may have two VMMs for a while; killStray() spares the given one and its sockets',
    async ({ fixture, driver }) => {
      const { spec } = await newPlace(fixture);
      for (const spared of ['first', 'second'] as const) {
        const runtimeDir = join(spec.runtimeDir, 'r-2');
        await mkdir(runtimeDir, { mode: 0o700 });
        const first = await driver.start(spec, limit());
        const second = await driver.start({ ...spec, runtimeDir }, limit());
        const kept = spared === 'first' ? first : second;
        for (const vm of [first, second]) vm.detach();
        await driver.killStray(spec, { except: kept.vmm });
        assert.deepEqual(await fixture.processes(), [kept.vmm.pid], spared);
        const adopted = await driver.adopt(spec, limit());
        assert.deepEqual(adopted?.vmm, kept.vmm);
        assert.ok(adopted);
        assert.equal(await ask(adopted, 'ping still', fixture), 'still');
        adopted.detach();
        await driver.killStray(spec);
        assert.deepEqual(await fixture.processes(), []);
        await rmdir(runtimeDir);
        assert.deepEqual(await readdir(spec.runtimeDir), []);
      }
    },
  );

  tests.check('killStray() spares other VMs', async ({ fixture, driver }) => {
    const [one, two] = [await newPlace(fixture), await newPlace(fixture)];
    const vm = await driver.start(one.spec, limit());
    await driver.killStray(two.spec);
    assert.deepEqual(await fixture.processes(), [vm.vmm.pid]);
    await vm.kill();
  });

  tests.check(
    'a killed VMM is noticed, is not adopted, and can be started again',
    async ({ fixture, driver }) => {
      const { spec } = await newPlace(fixture);
      const vm = await driver.start(spec, limit());
      await vm.signal('SIGKILL');
      await vm.exited;
      await vm.signal('SIGKILL');
      assert.equal(await driver.adopt(spec, limit()), undefined);
      const again = await driver.start(spec, limit());
      again.detach();
      process.kill(again.vmm.pid, 'SIGKILL');
      await until(async () => (await fixture.processes()).length === 0);
      assert.equal(await driver.adopt(spec, limit()), undefined);
      await vm.kill();
    },
  );

  tests.check(
    'a VMM that hangs does not respond, is adopted when it continues, and can be ended at once',
    async ({ fixture, driver }) => {
      const { spec } = await newPlace(fixture);
      const vm = await driver.start(spec, limit());
      assert.equal(await vm.responds({ withinMs: patient(30_000), ...limit() }), true);
      process.kill(vm.vmm.pid, 'SIGSTOP');
      // The kernel stops it a moment later.
      await until(async () => !(await vm.responds({ ...limit(), withinMs: 200 })));
      vm.detach();
      let isSilent = false;
      const onSilent = (): void => {
        isSilent = true;
      };
      const adopting = driver.adopt(spec, { ...limit(), onSilent });
      await until(() => isSilent);
      process.kill(vm.vmm.pid, 'SIGCONT');
      const adopted = await adopting;
      assert.deepEqual(adopted?.vmm, vm.vmm);
      assert.ok(adopted);
      assert.equal(await ask(adopted, 'ping on', fixture), 'on');
      process.kill(vm.vmm.pid, 'SIGSTOP');
      await until(async () => !(await adopted.responds({ ...limit(), withinMs: 200 })));
      adopted.detach();
      const stop = new AbortController();
      const again = driver.adopt(spec, { signal: stop.signal });
      again.catch(() => {});
      stop.abort(new Error('enough'));
      await assert.rejects(again, /enough/);
      // Sooner than the driver kills a VMM that ignores the request to end.
      await soon(8_000, driver.killStray(spec));
      assert.deepEqual(await fixture.processes(), []);
    },
  );

  tests.check('activity() counts the processor time and the writes of a VMM', async ({ fixture, driver }) => {
    const { spec } = await newPlace(fixture);
    const vm = await driver.start(spec, limit());
    const before = await vm.activity();
    await ask(vm, 'ping x', fixture);
    const after = await vm.activity();
    assert.ok(after.cpuMs >= before.cpuMs && after.writtenBytes >= before.writtenBytes);
    await vm.kill();
    assert.deepEqual(await vm.activity(), { cpuMs: 0, writtenBytes: 0 });
  });

  tests.check('a VM that never ran is not adopted', async ({ fixture, driver }) => {
    const { spec } = await newPlace(fixture);
    assert.equal(await driver.adopt(spec, limit()), undefined);
  });

  tests.check('the end of a guest is noticed', async ({ fixture, driver }) => {
    const { spec } = await newPlace(fixture);
    const vm = await driver.start(spec, limit());
    await ask(vm, 'ping up', fixture);
    await tellGuest(vm.guestEndpoint, 'poweroff');
    await vm.exited;
    await vm.kill();
    assert.deepEqual(await readdir(spec.runtimeDir), []);
  });
}

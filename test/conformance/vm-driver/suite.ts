import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isAppError } from '../../../src/base/errors.ts';
import type { DriveSpec, RunningVm, VmDriver, VmSpec } from '../../../src/core/ports/vmm.ts';
import { makeDriver } from './drivers.ts';
import { type Ability, type DriverFixture, newPlace, readOnlyFiles, type VmPlace } from './fixture.ts';
import { eventually, noNamespaces } from './host-checks.ts';
import { EXPECTED_NETWORK } from './network-task.ts';
import { runTask } from './run-task.ts';
import { askGuest, tellGuest } from './test-guest.ts';

const MIB = 2 ** 20;

/**
 * The suite that every VM driver passes, against real VMs where the driver has them. `makeFixture` is given a scratch folder; when it
 * gives a text, the whole suite is skipped for that reason.
 */
export function describeVmDriver(
  name: string,
  makeFixture: (dir: string) => Promise<DriverFixture | string>,
): void {
  describe(`VM driver "${name}"`, { concurrency: false }, () => {
    let dir: string;
    let fixture: DriverFixture | undefined;
    let reason: string | undefined;
    let driver: VmDriver;
    let failures = 0;

    before(async () => {
      // Short, because sockets are in it.
      dir = await mkdtemp(join(tmpdir(), 'vd-'));
      const made = await makeFixture(dir);
      if (typeof made === 'string') {
        reason = made;
        return;
      }
      fixture = made;
      driver = makeDriver(made.driver);
    });

    after(async () => {
      for (const pid of (await fixture?.processes()) ?? []) process.kill(pid, 'SIGKILL');
      // The logs of what failed stay, as evidence.
      if (failures === 0) await rm(dir, { recursive: true, force: true });
    });

    /** A test that needs `abilities`; no VMM may be left after it. */
    function check(
      what: string,
      abilities: readonly Ability[],
      body: (fixture: DriverFixture) => Promise<void>,
    ): void {
      test(what, async (context) => {
        const lacking = abilities
          .map((ability) => fixture?.lacks[ability])
          .find((text) => text !== undefined);
        const why = reason ?? lacking;
        if (why !== undefined || !fixture) return context.skip(why ?? 'there is no fixture');
        failures += 1;
        await body(fixture);
        assert.deepEqual(await fixture.processes(), [], 'VMMs that are left');
        failures -= 1;
      });
    }

    check('says whether guests can be connected to the outside', [], async () => {
      const { isUsable, reason } = await driver.probeNat(limit());
      assert.ok(isUsable, reason);
    });

    check('a guest answers, and its console is in the log', [], async (fixture) => {
      const { spec } = await newPlace(fixture);
      const vm = await driver.start(spec, limit());
      assert.equal(await ask(vm, 'ping hello', fixture), 'hello');
      await ask(vm, 'print words on the console', fixture);
      await eventually(async () =>
        (await readFile(spec.consoleLogPath, 'utf8')).includes('words on the console'),
      );
      await vm.kill();
      await vm.exited;
    });

    check('kill() is idempotent, takes the sockets away, and settles exited', [], async (fixture) => {
      const { spec } = await newPlace(fixture);
      const vm = await driver.start(spec, limit());
      await Promise.all([vm.kill(), vm.kill()]);
      await vm.exited;
      await vm.kill();
      assert.deepEqual(await readdir(spec.runtimeDir), []);
      assert.deepEqual(await fixture.processes(), []);
    });

    check('a VM can be started again in the same place, and its console log goes on', [], async (fixture) => {
      const { spec } = await newPlace(fixture);
      await writeFile(spec.consoleLogPath, 'from before\n');
      const first = await driver.start(spec, limit());
      await first.kill();
      const second = await driver.start(spec, limit());
      assert.notDeepEqual(second.vmm, first.vmm);
      await ask(second, 'ping x', fixture);
      assert.match(await readFile(spec.consoleLogPath, 'utf8'), /^from before\n./);
      await second.kill();
    });

    check('a start next to a VMM that runs is refused and does it no harm', [], async (fixture) => {
      const { spec } = await newPlace(fixture);
      const vm = await driver.start(spec, limit());
      vm.detach();
      await assert.rejects(driver.start(spec, limit()), { code: 'VMM_ALREADY_RUNS' });
      const adopted = await driver.adopt(spec, limit());
      assert.deepEqual(adopted?.vmm, vm.vmm);
      const vmRuntimeDir = dirname(spec.runtimeDir);
      assert.deepEqual(await driver.listRunning({ vmRuntimeDir }), [basename(spec.runtimeDir)]);
      await assert.rejects(driver.start(spec, limit()), { code: 'VMM_ALREADY_RUNS' });
      assert.ok(adopted);
      assert.equal(await ask(adopted, 'ping still', fixture), 'still');
      await adopted.kill();
      assert.deepEqual(await driver.listRunning({ vmRuntimeDir }), []);
    });

    check('a VM outlives the process that started it, and another takes it over', [], async (fixture) => {
      const { spec } = await newPlace(fixture);
      const vmm = await runTask('startAndDie', { driver: fixture.driver, spec }, { okCodes: [137] });
      const later = makeDriver(fixture.driver);
      const vm = await later.adopt(spec, limit());
      assert.ok(vmm);
      assert.deepEqual(vm?.vmm, vmm);
      assert.ok(vm);
      assert.equal(await ask(vm, 'ping over', fixture), 'over');
      await vm.kill();
      await vm.exited;
    });

    check(
      'a process that has let go of its VM ends by itself, and killStray() finds the VM',
      [],
      async (fixture) => {
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

    check('killStray() spares the VM next door', [], async (fixture) => {
      const [one, two] = [await newPlace(fixture), await newPlace(fixture)];
      const vm = await driver.start(one.spec, limit());
      await driver.killStray(two.spec);
      assert.deepEqual(await fixture.processes(), [vm.vmm.pid]);
      await vm.kill();
    });

    check(
      'a VMM that was killed from outside is noticed, not adopted, and can be started again',
      [],
      async (fixture) => {
        const { spec } = await newPlace(fixture);
        const vm = await driver.start(spec, limit());
        await vm.signal('SIGKILL');
        await vm.exited;
        await vm.signal('SIGKILL');
        assert.equal(await driver.adopt(spec, limit()), undefined);
        const again = await driver.start(spec, limit());
        again.detach();
        process.kill(again.vmm.pid, 'SIGKILL');
        await eventually(async () => (await fixture.processes()).length === 0);
        assert.equal(await driver.adopt(spec, limit()), undefined);
        await vm.kill();
      },
    );

    check('a VM that never ran is not adopted', [], async (fixture) => {
      const { spec } = await newPlace(fixture);
      assert.equal(await driver.adopt(spec, limit()), undefined);
    });

    check('a start that is aborted at any moment leaves no process and no socket', [], async (fixture) => {
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
    });

    const BROKEN: readonly [string, (place: VmPlace) => Promise<VmSpec>, string][] = [
      [
        'a missing kernel',
        async ({ spec }) => withBoot(spec, { kernelPath: '/none', vmlinuxPath: '/none' }),
        'VMM_START_FAILED',
      ],
      ['a missing initrd', async ({ spec }) => withBoot(spec, { initrdPath: '/none' }), 'VMM_START_FAILED'],
      ['a drive that was cut short', cutDrive, 'VMM_DRIVE_INVALID'],
      ['a drive that is gone', goneDrive, 'VMM_DRIVE_INVALID'],
    ];
    for (const [what, breakIt, code] of BROKEN) {
      check(`a start with ${what} fails and leaves nothing`, [], async (fixture) => {
        const place = await newPlace(fixture);
        await assert.rejects(driver.start(await breakIt(place), limit()), { code });
        assert.deepEqual(await readdir(place.spec.runtimeDir), []);
      });
    }

    check(
      'a file that is no kernel fails the start or ends the VM, with the cause in a log',
      ['kernel'],
      async (fixture) => {
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
    );

    check('drives of a size that cannot be are refused and leave nothing', [], async (fixture) => {
      const place = await newPlace(fixture);
      for (const diskSizeBytes of [0, -4096, 1, 16 * MIB + 1]) {
        const begun = prepare(place, { diskSizeBytes });
        await assert.rejects(begun, { code: 'VMM_DRIVE_INVALID' });
      }
      assert.deepEqual(await readdir(place.vmDir), ['r']);
    });

    check(
      'a guest has its drives, in size and kind, and writes to none that is read-only',
      ['drives'],
      async (fixture) => {
        const place = await newPlace(fixture);
        const drives = await prepare(place);
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
    );

    check('a drive grows between two starts, as often as it is told', [], async (fixture) => {
      const place = await newPlace(fixture);
      const drives = await prepare(place);
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

    check('what the guest saw written is there after kill(), flushed or not', ['drives'], async (fixture) => {
      const place = await newPlace(fixture);
      const spec = { ...place.spec, drives: await prepare(place) };
      const first = await driver.start(spec, limit());
      for (const at of [0, 1, 2]) await ask(first, `write overlay ${at * 8 * MIB} kept-${at}`, fixture);
      await first.kill();
      const second = await driver.start(spec, limit());
      for (const at of [0, 1, 2]) {
        assert.equal(await ask(second, `read overlay ${at * 8 * MIB} 16`, fixture), `kept-${at}`);
      }
      await second.kill();
    });

    check(
      'several VMs share one root, and their ends are noticed: power off, panic',
      ['drives', 'panic'],
      async (fixture) => {
        const places = [await newPlace(fixture), await newPlace(fixture)];
        const vms = await Promise.all(
          places.map(async (place) => driver.start({ ...place.spec, drives: await prepare(place) }, limit())),
        );
        const [one, two] = vms as [RunningVm, RunningVm];
        const seen = await Promise.all(vms.map((vm) => ask(vm, 'read root 0 8', fixture)));
        assert.deepEqual(seen, ['the-root', 'the-root']);
        await tellGuest(one.guestEndpoint.path, 'poweroff');
        await tellGuest(two.guestEndpoint.path, 'panic');
        await Promise.all(vms.map((vm) => vm.exited));
        for (const vm of vms) await vm.kill();
      },
    );

    check('a guest that ends itself is noticed', [], async (fixture) => {
      const { spec } = await newPlace(fixture);
      const vm = await driver.start(spec, limit());
      await ask(vm, 'ping up', fixture);
      await tellGuest(vm.guestEndpoint.path, 'poweroff');
      await vm.exited;
      await vm.kill();
      assert.deepEqual(await readdir(spec.runtimeDir), []);
    });

    test('a guest reaches the outside with NAT and nothing without, also when that changes while it runs', async (context) => {
      const why = reason ?? fixture?.lacks.network ?? (await noNamespaces('-Urnm'));
      if (why !== undefined || !fixture) return context.skip(why ?? 'there is no fixture');
      const { spec, vmDir } = await newPlace(fixture);
      const resolvConf = join(vmDir, 'resolv.conf');
      await writeFile(resolvConf, 'nameserver 127.0.0.1\n');
      const isolate = 'mount --bind "$0" /etc/resolv.conf && ip link set lo up && exec "$@"';
      const prefix = ['unshare', '-Urnm', 'sh', '-c', isolate, resolvConf];
      const seen = await runTask('tryNetwork', { driver: fixture.driver, spec }, { prefix });
      assert.deepEqual(seen, EXPECTED_NETWORK);
    });

    for (const where of ['VM folder', 'cache'] as const) {
      test(`drives for which there is no space in the ${where} are refused with the figures, and leave nothing`, async (context) => {
        const why = reason ?? fixture?.lacks.blocks ?? (await noNamespaces());
        if (why !== undefined || !fixture) return context.skip(why ?? 'there is no fixture');
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
      });
    }

    async function prepare(
      { vmDir }: VmPlace,
      sizes: { diskSizeBytes?: number } = {},
    ): Promise<readonly DriveSpec[]> {
      assert.ok(fixture);
      const files = await readOnlyFiles(fixture);
      const request = { dir: vmDir, ...files, overlayBytes: 64 * MIB, diskSizeBytes: 32 * MIB, ...sizes };
      return await driver.prepareDrives(request, limit());
    }

    async function cutDrive(place: VmPlace): Promise<VmSpec> {
      const drives = await prepare(place);
      await truncate((drives.find(({ serial }) => serial === 'work') as DriveSpec).pathOnHost, 4096);
      return { ...place.spec, drives };
    }

    async function goneDrive(place: VmPlace): Promise<VmSpec> {
      const drives = await prepare(place);
      await rm((drives.find(({ serial }) => serial === 'overlay') as DriveSpec).pathOnHost);
      return { ...place.spec, drives };
    }
  });
}

function withBoot(spec: VmSpec, changes: Partial<VmSpec['bootSource']>): VmSpec {
  return { ...spec, bootSource: { ...spec.bootSource, ...changes } };
}

function ask(vm: RunningVm, request: string, { bootDeadlineMs }: DriverFixture): Promise<string> {
  return askGuest(vm.guestEndpoint.path, request, { signal: AbortSignal.timeout(bootDeadlineMs) });
}

function limit(): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(60_000) };
}

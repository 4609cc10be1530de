import assert from 'node:assert/strict';
import { chmod, chown, copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type HostFacts, hasCpuFlag, linuxHostFacts } from '../../../src/adapters/vmm/host-facts.ts';
import { hostTscKhz } from '../../../src/adapters/vmm/qemu/launch/boot-args.ts';
import { MACHINES } from '../../../src/adapters/vmm/qemu/machine/machines.ts';
import { type ProbeBoot, probeBoot } from '../../../src/adapters/vmm/qemu/probe-boot.ts';
import { QemuDriver, type QemuDriverOptions } from '../../../src/adapters/vmm/qemu/qemu-driver.ts';
import { findProgram, toolEnv } from '../../../src/base/process/programs.ts';
import type { BootSource } from '../../../src/core/ports/vmm/spec.ts';
import { BUILT_HOST_TOOLS } from '../../support/host-tools.ts';
import { NO_SECRETS } from '../../support/network/no-secrets.ts';
import { nullLog } from '../../support/null-log.ts';
import { SOURCE_RECEIVER } from '../../support/receiver.ts';
import { type DriverFixture, newPlace, processesWith, readOnlyFiles } from './fixture.ts';
import { noEntry } from './host-checks.ts';
import { runTask } from './run-task.ts';
import { buildTestGuest, testBootSource } from './test-guest.ts';

/** `nobody` of every distribution. */
const ORDINARY_UID = 65534;

describe('QEMU on this host', { concurrency: false }, () => {
  const facts = linuxHostFacts();
  let dir: string;
  let boot: BootSource | undefined;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'qh-'));
    const signal = AbortSignal.timeout(120_000);
    const guestPath = await buildTestGuest(dir, { signal });
    boot = await testBootSource(dir, { guestPath, arch: facts.arch, signal });
  });

  after(() => rm(dir, { recursive: true, force: true }));

  function check(what: string, body: (boot: BootSource, context: TestContext) => Promise<void>): void {
    test(what, async (context) => {
      if (!boot) return context.skip('no kernel is in the store: banger image build debian-bookworm');
      await body(boot, context);
      assert.deepEqual(await processesWith('-pidfile', dir), []);
    });
  }

  async function probeOf(changes: Partial<ProbeBoot> & { boot: BootSource }): Promise<ProbeBoot> {
    const binary = await findProgram(MACHINES[facts.arch].program, process.env);
    const tscKhz = hostTscKhz(await facts.cpuInfo());
    return {
      accelerator: 'tcg',
      host: {
        binary: binary ?? 'none',
        arch: facts.arch,
        machine: MACHINES[facts.arch].typeIn(new Set()),
        ...(tscKhz === undefined ? {} : { tscKhz }),
      },
      env: toolEnv(process.env),
      dir: join(dir, 'probe'),
      deadlineMs: 60_000,
      ...changes,
    };
  }

  check('a test boot with emulation reaches the initramfs and leaves nothing', async (boot) => {
    assert.equal((await probeBoot(await probeOf({ boot }), limit())).outcome, 'reached');
    assert.ok(!(await readdir(dir)).includes('probe'));
  });

  check('a test boot that hangs ends at its deadline, and one that dies ends at once', async (boot) => {
    const slow = { ...boot, bootArgs: ['rdinit=/none', 'panic=1000'] };
    assert.equal((await probeBoot(await probeOf({ boot: slow, deadlineMs: 300 }), limit())).outcome, 'late');
    const none = { ...boot, kernelPath: '/none', vmlinuxPath: '/none' };
    assert.equal((await probeBoot(await probeOf({ boot: none }), limit())).outcome, 'ended');
    assert.ok(!(await readdir(dir)).includes('probe'));
  });

  check('a test boot removes what a killed one has left', async (boot) => {
    const probe = await probeOf({ boot });
    await runTask('probeAndDie', probe, { okCodes: [137] });
    assert.equal((await processesWith('-pidfile', dir)).length, 1);
    assert.equal((await probeBoot(probe, limit())).outcome, 'reached');
  });

  check(
    'a KVM that opens but cannot run our kernel is detected, and not tested again at once',
    async (boot, context) => {
      const [cpuInfo, openError] = [await facts.cpuInfo(), await facts.kvmOpenError()];
      if (openError !== undefined) return context.skip(`/dev/kvm cannot be opened here: ${openError}`);
      if (hasCpuFlag(cpuInfo, 'vmx', 'svm')) return context.skip('KVM may work here');
      const lying = cpuInfo.replace(/^flags\s*:/m, '$& vmx').replaceAll(/ hypervisor\b/g, '');
      const blind: HostFacts = { ...facts, cpuInfo: async () => lying, load: () => 1 };
      const driver = driverWith({ facts: blind });
      const [first, firstMs] = await timed(() => driver.probe(boot, limit()));
      assert.equal(first.accelerator, 'tcg');
      // Which of the two happens is up to the host's processor and its own hypervisor.
      const [, howLong] =
        /^KVM is not usable here \((?:a test boot did not reach the initramfs in ([\d.]+) s|QEMU ended in the middle of a test boot)\)$/.exec(
          first.reason ?? '',
        ) ?? assert.fail(first.reason);
      if (howLong === undefined) assert.doesNotMatch(first.hint ?? '', /tests it again/);
      else {
        assert.match(first.hint ?? '', /tests it again in 10 min/);
        assert.ok(firstMs >= 5000, `took ${firstMs} ms`);
      }
      assert.deepEqual(await processesWith('-pidfile', dir), []);
      const [second, secondMs] = await timed(() => driver.probe(boot, limit()));
      assert.deepEqual({ ...second, hint: '' }, { ...first, hint: '' });
      assert.ok(secondMs < firstMs, `took ${secondMs} ms`);
    },
  );

  function driverWith(options: Partial<QemuDriverOptions>): QemuDriver {
    const usual = {
      facts,
      env: process.env,
      receiver: SOURCE_RECEIVER,
      hostTools: BUILT_HOST_TOOLS,
      secretValues: NO_SECRETS,
      log: nullLog,
    };
    return new QemuDriver({ cacheDir: join(dir, 'cache'), ...usual, ...options });
  }

  check('a KVM that the user has chosen is not tested', async (boot) => {
    const never: HostFacts = { ...facts, kvmOpenError: () => assert.fail('it was tested') };
    for (const accelerator of ['kvm', 'tcg'] as const) {
      const probe = await driverWith({ facts: never, accelerator }).probe(boot, limit());
      assert.equal(probe.accelerator, accelerator);
      assert.equal(probe.reason, accelerator === 'kvm' ? undefined : 'KVM is switched off');
    }
  });

  check('probe() reports what there is, and needs no kernel for that', async (boot) => {
    const driver = driverWith({});
    const probe = await driver.probe(boot, limit());
    assert.equal(probe.isUsable, true);
    assert.match(probe.version ?? '', /^QEMU \d+\.\d+/);
    assert.equal(probe.accelerator === 'tcg', probe.reason !== undefined);
    const without = await driver.probe(undefined, limit());
    assert.equal(without.isUsable, true);
    assert.ok(without.accelerator !== 'kvm');
    const poor = driverWith({ env: { PATH: dir } });
    const lacking = await poor.probe(boot, limit());
    assert.equal(lacking.isUsable, false);
    assert.match(lacking.reason ?? '', /qemu-img.*: not installed$/);
    assert.match(lacking.packages?.apt ?? '', /qemu-utils/);
  });

  check(
    'an ordinary user runs VMs under the seccomp filter, each in its own session',
    async (boot, context) => {
      const why = await noEntry(ORDINARY_UID);
      if (why !== undefined) return context.skip(why);
      const home = join(dir, 'home');
      await mkdir(home);
      await chmod(dir, 0o755);
      const fixture: DriverFixture = {
        driver: { name: 'qemu', cacheDir: join(home, 'cache'), guestPath: 'unused' },
        dir: home,
        boot: await copied(boot, home),
        accelerator: 'tcg',
        bootDeadlineMs: 60_000,
        lacks: {},
        processes: () => processesWith('-pidfile', home),
      };
      const { spec, vmDir } = await newPlace(fixture);
      const files = await readOnlyFiles(fixture);
      const request = { dir: vmDir, ...files, overlayBytes: 64 * 2 ** 20, diskSizeBytes: 64 * 2 ** 20 };
      const isRoot = process.getuid?.() === 0;
      if (isRoot)
        for (const path of [home, vmDir, spec.runtimeDir]) await chown(path, ORDINARY_UID, ORDINARY_UID);
      const prefix = isRoot
        ? ['setpriv', `--reuid=${ORDINARY_UID}`, `--regid=${ORDINARY_UID}`, '--clear-groups']
        : [];
      const outcome = await runTask('bootAndAsk', { driver: fixture.driver, spec, request }, { prefix });
      assert.ok(outcome);
      assert.match(outcome.drives, /work:67108864:rw/);
      assert.match(outcome.status, /^Seccomp:\t2$/m);
      assert.match(outcome.status, /^CapEff:\t0+$/m);
      assert.match(
        outcome.status,
        new RegExp(`^Uid:\\t${isRoot ? ORDINARY_UID : process.getuid?.()}\\t`, 'm'),
      );
      assert.equal(outcome.isSessionLeader, true);
      // The kernel switches from one to the other a moment after its start.
      if (hostTscKhz(await facts.cpuInfo()) !== undefined) assert.match(outcome.clock, /^tsc(-early)?$/);
    },
  );
});

/** Kernel and initramfs in a place that every user can read; only this user can read the store. */
async function copied(boot: BootSource, dir: string): Promise<BootSource> {
  const copy = async (path: string, name: string): Promise<string> => {
    const target = join(dir, name);
    await copyFile(path, target);
    await chmod(target, 0o644);
    return target;
  };
  return {
    ...boot,
    kernelPath: await copy(boot.kernelPath, 'kernel'),
    ...(boot.vmlinuxPath === undefined ? {} : { vmlinuxPath: await copy(boot.vmlinuxPath, 'vmlinux') }),
    initrdPath: await copy(boot.initrdPath, 'initrd'),
  };
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const begun = performance.now();
  return [await work(), performance.now() - begun];
}

/** More than the longest test boot takes, even on a host that is slow to start it. */
function limit(): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(240_000) };
}

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { linuxHostFacts } from '../../../src/adapters/vmm/host-facts.ts';
import { logKeepersOf } from '../../../src/adapters/vmm/log-keeper.ts';
import { isAlive } from '../../../src/adapters/vmm/vmm-process.ts';
import { invariant } from '../../../src/base/errors.ts';
import type { VmDriver } from '../../../src/core/ports/vmm/driver.ts';
import type { RunningVm } from '../../../src/core/ports/vmm/running-vm.ts';
import type { BootSource, VmSpec } from '../../../src/core/ports/vmm/spec.ts';
import { until } from '../../support/until.ts';
import { makeDriver } from './drivers.ts';
import { newPlace, processesWith } from './fixture.ts';
import { askGuest, buildTestGuest, testBootSource } from './test-guest.ts';

const MIB = 2 ** 20;
/**
 * The most memory that the log keeper may take for each VM; all of them share its code. Most of it is what
 * the packages of all commands of banger-host set up when it starts.
 */
const MOST_MEMORY_KIB = 1792;

describe('logs of a QEMU without a daemon', { concurrency: false }, () => {
  const signal = AbortSignal.timeout(180_000);
  let dir: string;
  let driver: VmDriver;
  let boot: BootSource | undefined;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kl-'));
    const guestPath = await buildTestGuest(dir, { signal });
    boot = await testBootSource(dir, { guestPath, arch: linuxHostFacts().arch, signal });
    driver = makeDriver({ name: 'qemu', cacheDir: join(dir, 'cache'), guestPath });
  });

  after(async () => {
    for (const pid of await processesWith('-pidfile', dir)) process.kill(pid, 'SIGKILL');
    await rm(dir, { recursive: true, force: true });
  });

  function check(what: string, body: (spec: VmSpec) => Promise<void>): void {
    test(what, async (context: TestContext) => {
      if (!boot) return context.skip('no kernel is in the store: banger image build debian-bookworm');
      const { spec } = await newPlace({ dir, boot, accelerator: 'tcg' });
      await body(spec);
    });
  }

  const ask = (vm: RunningVm, request: string): Promise<string> =>
    askGuest(vm.guestEndpoint, request, { signal });

  check('of an endless console output only the newest is kept, and little memory is used', async (spec) => {
    // As if the guest had printed for a long time.
    await writeFile(spec.consoleLogPath, Buffer.alloc(4 * MIB - 64 * 1024, 'old line\n'));
    const vm = await driver.start(spec, { signal });
    await ask(vm, 'ping up');
    const [keeper] = await logKeepersOf(vm.vmm.pid);
    invariant(keeper, 'there is a log keeper');
    const words = 'y'.repeat(2000);
    for (let round = 0; round < 50; round += 1) await ask(vm, `print ${round} ${words}`);
    await ask(vm, 'print the very last');
    await until(async () => (await readFile(spec.consoleLogPath, 'latin1')).includes('the very last'));
    const { size } = await stat(spec.consoleLogPath);
    assert.ok(size < 3 * MIB && size > 2 * MIB, `${size} bytes`);
    assert.match(await readFile(spec.consoleLogPath, 'latin1'), /^\[\d+ older bytes cut\]\nold line\n/);
    const memory = await readFile(`/proc/${keeper.pid}/smaps_rollup`, 'utf8');
    const ownKib = Number(/^Private_Dirty: +(\d+) kB$/m.exec(memory)?.[1]);
    assert.ok(ownKib < MOST_MEMORY_KIB, `${ownKib} KiB of memory`);
    await vm.kill();
    await until(async () => !(await isAlive(keeper)), { what: 'the log keeper to end' });
  });

  check('a VMM and its guest keep running when the log keeper is gone', async (spec) => {
    const vm = await driver.start(spec, { signal });
    await ask(vm, 'ping up');
    const [keeper] = await logKeepersOf(vm.vmm.pid);
    invariant(keeper, 'there is a log keeper');
    process.kill(keeper.pid, 'SIGKILL');
    // More than the capacity of a pipe.
    for (let round = 0; round < 40; round += 1) await ask(vm, `print ${'y'.repeat(2000)}`);
    assert.equal(await ask(vm, 'ping still'), 'still');
    await vm.kill();
  });
});

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { isAppError } from '../../src/base/errors.ts';
import { until } from '../support/until.ts';
import { type Bench, openBench, openImageWorkshop, sh, type Workshop } from './support/bench.ts';
import type { TestVm } from './support/boot-vm.ts';
import { checkExt4 } from './support/small-image.ts';

const DEADLINE_MS = 9 * 60_000;
const MIB = 2 ** 20;

suite('the agent under systemd', { timeout: DEADLINE_MS }, () => {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  let workshop: Workshop;

  before(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'as-'));
    workshop = await openImageWorkshop(dir, { name: 'debian-bookworm', signal });
  });
  after(() => rm(workshop.dir, { recursive: true }));

  test('runs without changing the image', async (t) => {
    const bench = await openBench(t, workshop, { signal });
    if (!bench) return;
    await using vm = await bench.boot({ freeBytes: 64 * MIB });
    await t.test('reports when commands may run', () => becomesReady(vm));
    await t.test('changes no file of the image', () => leavesImageAlone(vm));
    await t.test('keeps running when systemd executes itself again', () => outlivesReexec(vm));
    await t.test('is started again when it dies, ready at once, without its commands', () => restarts(vm));
    await t.test('powers off and leaves clean file systems', () => powersOff(vm, bench));
  });

  async function becomesReady(vm: TestVm): Promise<void> {
    await using agent = await vm.connect();
    assert.equal((await agent.health({ signal })).init, 'systemd');
    assert.equal((await agent.ready({ signal })).ready, true);
    const states = 'systemctl is-active basic.target sockets.target dbus.socket banger-agent banger-ready';
    // The unit that reports readiness ends a moment after its report.
    const areActive = async (): Promise<boolean> =>
      (await sh(agent, `${states} || true`, { signal })) === Array(5).fill('active').join('\n');
    await until(areActive, { everyMs: 200, what: 'the units to be active' });
    assert.equal(await sh(agent, 'cat /proc/1/comm; cat /proc/self/oom_score_adj', { signal }), 'systemd\n0');
  }

  async function leavesImageAlone(vm: TestVm): Promise<void> {
    await using agent = await vm.connect();
    const ours = 'find / -xdev -name "banger-*"; ls -d /newroot /modules /init 2>/dev/null; true';
    assert.equal(await sh(agent, ours, { signal }), '');
    assert.match(
      await sh(agent, 'systemctl show -P FragmentPath banger-agent', { signal }),
      /^\/run\/systemd\//,
    );
  }

  async function outlivesReexec(vm: TestVm): Promise<void> {
    await using agent = await vm.connect();
    const mainPid = 'systemctl show -P MainPID banger-agent';
    const before = await sh(agent, mainPid, { signal });
    assert.equal(await sh(agent, `systemctl daemon-reexec && ${mainPid}`, { signal }), before);
    assert.equal((await agent.health({ signal })).ready, true);
  }

  async function restarts(vm: TestVm): Promise<void> {
    {
      await using agent = await vm.connect();
      await sh(agent, 'setsid sleep 1000 >/dev/null 2>&1 </dev/null &', { signal });
      const isThere = async (): Promise<boolean> =>
        (await sh(agent, 'pgrep -fcx "sleep 1000" || true', { signal })) === '1';
      await until(isThere, { everyMs: 200, what: 'the command to run' });
      const kill = 'kill -9 "$(systemctl show -P MainPID banger-agent)"';
      // Later, because a command that kills its own agent gets no answer.
      await sh(agent, `setsid sh -c 'sleep 1; ${kill}' >/dev/null 2>&1 </dev/null &`, { signal });
    }
    const hasEnded = async (): Promise<boolean> => {
      await using agent = await vm.connect();
      try {
        assert.equal((await agent.health({ signal })).ready, true);
        return (await sh(agent, 'pgrep -fcx "sleep 1000" || true', { signal })) === '0';
      } catch (error) {
        // This link was to the agent that died.
        if (isAppError(error, 'GUEST_LOST')) return false;
        throw error;
      }
    };
    // Rarely, because a request that the dying agent got waits until the link counts as lost.
    await until(hasEnded, { everyMs: 1_500, what: 'the commands of the agent that died to end' });
  }

  async function powersOff(vm: TestVm, bench: Bench): Promise<void> {
    await using agent = await vm.connect();
    await agent.powerOff({ signal });
    await vm.ended();
    await checkExt4(bench.path('work.ext4'), { signal });
  }
});

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
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
    assert.equal(await sh(agent, states, { signal }), Array(5).fill('active').join('\n'));
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
      assert.equal(await sh(agent, 'pgrep -cx sleep', { signal }), '1');
      const kill = 'kill -9 "$(systemctl show -P MainPID banger-agent)"';
      // A virtio port does not tell the host that its reader is gone: the command gets no answer.
      await assert.rejects(sh(agent, kill, { signal: AbortSignal.timeout(5_000) }));
    }
    await using agent = await vm.connect();
    assert.equal((await agent.health({ signal })).ready, true);
    assert.equal(await sh(agent, 'pgrep -cx sleep || true', { signal }), '0');
  }

  async function powersOff(vm: TestVm, bench: Bench): Promise<void> {
    await using agent = await vm.connect();
    await agent.powerOff({ signal });
    await vm.ended();
    await checkExt4(bench.path('work.ext4'), { signal });
  }
});

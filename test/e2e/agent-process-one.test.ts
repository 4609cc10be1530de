import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { isAppError } from '../../src/base/errors.ts';
import type { GuestAgent } from '../../src/core/ports/guest.ts';
import { until } from '../support/until.ts';
import { openBench, openSmallWorkshop, sh, type Workshop } from './support/bench.ts';
import type { TestVm } from './support/boot-vm.ts';

const DEADLINE_MS = 9 * 60_000;

suite('the agent as process 1 of an image without an init', { timeout: DEADLINE_MS }, () => {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  let workshop: Workshop;

  before(async () => {
    workshop = await openSmallWorkshop(await mkdtemp(join(tmpdir(), 'ap-')), { signal });
  });
  after(() => rm(workshop.dir, { recursive: true }));

  test('replaces an init', async (t) => {
    const bench = await openBench(t, workshop, { signal });
    if (!bench) return;
    await using vm = await bench.boot({ freeBytes: 0 });
    {
      await using agent = await vm.connect();
      await t.test('is ready at once and describes itself', () => isReady(agent));
      await t.test('creates the mounts and links that containers have', () => hasWhatContainersHave(agent));
      await t.test('reaps orphans', () => reapsOrphans(agent));
      await t.test('leaves the exit statuses of commands to the agent', () => keepsExitStatus(agent));
    }
    await t.test('starts the agent again when it dies, and ends its commands', () => restartsAgent(vm));
    await t.test('powers off at the request of a program in the image', () => powersOff(vm));
  });

  async function isReady(agent: GuestAgent): Promise<void> {
    const { init, ready } = await agent.ready({ signal });
    assert.deepEqual({ init, ready }, { init: 'agent', ready: true });
    assert.equal(await sh(agent, 'cat /proc/1/comm; hostname', { signal }), 'agent\nsmall');
  }

  async function hasWhatContainersHave(agent: GuestAgent): Promise<void> {
    const mounts = await sh(agent, 'cat /proc/mounts', { signal });
    for (const point of [
      '/proc',
      '/sys',
      '/dev',
      '/run',
      '/dev/pts',
      '/dev/shm',
      '/dev/mqueue',
      '/sys/fs/cgroup',
    ]) {
      assert.equal(mounts.split('\n').filter((line) => line.split(' ')[1] === point).length, 1, point);
    }
    assert.equal(await sh(agent, 'echo through >/dev/stdout; stat -c %a /tmp', { signal }), 'through\n1777');
    assert.match(await sh(agent, 'ip addr show lo', { signal }), /inet 127\.0\.0\.1\/8/);
    assert.equal(await sh(agent, 'ls /newroot /init /modules 2>/dev/null | wc -l', { signal }), '0');
  }

  async function reapsOrphans(agent: GuestAgent): Promise<void> {
    await sh(agent, 'for i in 1 2 3 4 5; do (sleep 0.2 & sleep 0.1 &) ; done; sleep 1', { signal });
    const zombies = (): Promise<string> => sh(agent, "ps -o stat,args | grep -c '^Z' || true", { signal });
    await until(async () => (await zombies()) === '0', { everyMs: 200, what: 'all orphans to be reaped' });
  }

  async function keepsExitStatus(agent: GuestAgent): Promise<void> {
    const codes = Array.from({ length: 20 }, (_, code) => code);
    const runs = codes.map((code) =>
      agent.run({ argv: ['sh', '-c', `(sleep 0.01 &); exit ${code}`] }, { signal }),
    );
    assert.deepEqual(
      (await Promise.all(runs)).map(({ exit }) => exit),
      codes.map((code) => ({ code })),
    );
  }

  async function restartsAgent(vm: TestVm): Promise<void> {
    const served = '[r]un/banger/agent serve';
    {
      await using agent = await vm.connect();
      await sh(agent, 'sleep 1000 >/dev/null 2>&1 </dev/null &', { signal });
      assert.equal(await sh(agent, 'ps -o args | grep -c "[s]leep 1000"', { signal }), '1');
      const kill = `kill -9 $(ps -o pid,args | grep '${served}' | head -n1 | sed 's/^ *//;s/ .*//')`;
      // Later, because a command that kills its own agent gets no answer.
      await sh(agent, `(sleep 1; ${kill}) >/dev/null 2>&1 </dev/null &`, { signal });
    }
    const count = (pattern: string): Promise<string> =>
      reached(vm, `ps -o args | grep -c '${pattern}' || true`);
    const hasEnded = async (): Promise<boolean> => (await count('[s]leep 1000')) === '0';
    // Rarely, because a request that the dying agent got waits until the link counts as lost.
    await until(hasEnded, { everyMs: 1_500, what: 'the commands of the agent that died to end' });
    assert.equal(await count(served), '1');
  }

  /**
   * Returns what a command prints, over its own link. Opens a new link when one is lost, as the daemon does
   * for the next command.
   */
  async function reached(vm: TestVm, script: string): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      await using agent = await vm.connect();
      try {
        return await sh(agent, script, { signal });
      } catch (error) {
        if (attempt === 3 || !isAppError(error, 'GUEST_LOST')) throw error;
      }
    }
  }

  async function powersOff(vm: TestVm): Promise<void> {
    await using agent = await vm.connect();
    const deaf = 'trap "" TERM; while :; do sleep 100; done';
    const later = 'sleep 0.5; kill -USR2 1';
    await sh(agent, `(${deaf}) >/dev/null 2>&1 </dev/null & (${later}) >/dev/null 2>&1 </dev/null &`, {
      signal,
    });
    await vm.ended();
  }
});

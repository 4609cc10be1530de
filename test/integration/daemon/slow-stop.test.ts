import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { neverAborts, sleep } from '../../../src/base/abort.ts';
import type { EndedVm } from '../../../src/protocol/vm.ts';
import { resultOf, type Work } from '../../../src/sdk/work.ts';
import { FakeSignals, runCli, stdinOf } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { soon } from '../../support/soon.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();
const MB = 1e6;

/** In these tests a guest that hangs is killed after a fraction of a second, and one that works never. */
const LIMITS = {
  silent: { idleMs: 500, spinMs: 1_000, totalMs: 20_000 },
  syncing: { idleMs: 500, spinMs: 1_000, totalMs: 20_000 },
  everyMs: 50,
};

/** Far longer than each of these limits, except the last. */
const LONG_MS = 3_000;

let lab: DaemonLab;
/** syncs that had reached the gate when the VM was created */
let gatedBefore = 0;

before(async () => {
  lab = await openDaemonLab();
  await lab.start({ syncLimits: { stop: LIMITS, kill: LIMITS } });
});

afterEach(async () => {
  delete lab.guests.isSilent;
  lab.guests.isIdle = true;
  lab.guests.syncGate = undefined;
  lab.guests.activity = undefined;
  for (const { id } of await lab.client.listVms({ isAll: true, signal })) {
    await resultOf(lab.client.deleteVm(id, { signal }));
  }
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

/** A VMM that works at this rate. */
function plays({ writes = 0, computes = 0 }: { writes?: number; computes?: number }): void {
  const begun = performance.now();
  lab.guests.activity = () => {
    const ms = performance.now() - begun;
    return { writtenBytes: (writes * ms) / 1000, cpuMs: computes * ms };
  };
}

/** The result, its notices and the details of its step `sync`. */
async function followed(work: Work<EndedVm>): Promise<{ vm: EndedVm; notices: string[]; steps: string[] }> {
  const notices: string[] = [];
  const steps: string[] = [];
  const vm = await resultOf(work, (news) => {
    if (news.event === 'notice') notices.push(news.message);
    if (news.event === 'progress' && news.stage === 'sync' && news.detail) steps.push(news.detail);
  });
  return { vm, notices, steps };
}

/** Waits until a guest writes, which continues until the gate opens. */
async function isSyncing(): Promise<void> {
  const before = gatedBefore;
  await until(() => (lab.guests.gatedSyncCount ?? 0) > before, { what: 'the sync to begin' });
}

async function make(): Promise<void> {
  gatedBefore = lab.guests.gatedSyncCount ?? 0;
  lab.guests.isIdle = true;
  await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
}

describe('stop waits', () => {
  test('as long as the VMM writes, and reports how much', async () => {
    await make();
    plays({ writes: 8 * MB });
    lab.guests.syncGate = sleep(LONG_MS, { signal });
    const { vm, notices, steps } = await followed(lab.client.stopVm('web', { signal }));
    assert.deepEqual([vm.state, vm.ending, notices], ['stopped', { synced: true }, []]);
    const written = steps.map((step) => Number(/^writing, ([0-9]+) MB so far$/.exec(step)?.[1]));
    assert.ok(written.length > 1 && (written.at(-1) ?? 0) > (written[0] ?? 0), steps.join());
  });

  test('for the answer of an agent as long as the VMM writes', async () => {
    await make();
    plays({ writes: 8 * MB });
    lab.guests.isSilent = true;
    const stopping = followed(lab.client.stopVm('web', { signal }));
    await sleep(LONG_MS, { signal });
    delete lab.guests.isSilent;
    const { vm, steps } = await stopping;
    assert.deepEqual(vm.ending, { synced: true });
    assert.match(steps[0] ?? '', /^its agent does not answer yet; its VMM has written [0-9]+ MB so far$/);
  });
});

describe('stop kills, with a warning,', () => {
  const unsynced = (reason: string): EndedVm['ending'] => ({ synced: false, reason });

  test('a guest whose VMM does nothing', async () => {
    await make();
    plays({});
    lab.guests.syncGate = new Promise(() => {});
    const { vm, notices } = await soon(10_000, followed(lab.client.stopVm('web', { signal })));
    const reason = 'its guest did not finish writing in time';
    assert.deepEqual([vm.state, vm.ending], ['stopped', unsynced(reason)]);
    assert.deepEqual(notices, [
      `vm "web" is killed without a sync: ${reason}; data that it had not written to its disks is lost`,
    ]);
  });

  test('a guest that computes and whose agent is dead, later than one that does nothing', async () => {
    for (const { computes, atLeastMs } of [
      { computes: 0.01, atLeastMs: LIMITS.silent.idleMs },
      { computes: 0.9, atLeastMs: LIMITS.silent.spinMs },
    ]) {
      await make();
      lab.guests.isSilent = true;
      plays({ computes, writes: 1_000 });
      const begun = performance.now();
      const { vm } = await soon(10_000, followed(lab.client.stopVm('web', { signal })));
      assert.deepEqual(vm.ending, unsynced('its agent does not answer'));
      assert.ok(performance.now() - begun > atLeastMs);
      await resultOf(lab.client.deleteVm('web', { signal }));
    }
  });

  test('a guest whose VM is killed or deleted during the wait', async () => {
    for (const end of [
      () => resultOf(lab.client.killVm('web', {}, { signal })),
      () => resultOf(lab.client.deleteVm('web', { signal })),
    ]) {
      await make();
      plays({ writes: 8 * MB });
      lab.guests.syncGate = new Promise(() => {});
      const stopping = followed(lab.client.stopVm('web', { signal }));
      await isSyncing();
      await soon(5_000, end());
      assert.deepEqual((await stopping).vm.ending, unsynced('the stop was interrupted'));
      if ((await lab.client.listVms({ isAll: true, signal })).length > 0) {
        await resultOf(lab.client.deleteVm('web', { signal }));
      }
    }
  });
});

describe('banger vm stop', () => {
  const banger = (argv: readonly string[], signals = new FakeSignals()) =>
    runCli(argv, { env: lab.env, stdin: stdinOf(), cwd: lab.dir, signals });

  test('that had to kill a guest exits with 1 and a warning for each VM, also as JSON', async () => {
    for (const name of ['web', 'db']) await resultOf(lab.client.createVm({ name }, { signal }));
    plays({});
    lab.guests.syncGate = new Promise(() => {});
    const { status, stdout, stderr } = await banger(['vm', 'stop', 'web', 'db']);
    assert.deepEqual([status, stdout], [1, 'web: killed\ndb: killed\n']);
    assert.match(stderr, /vm "web" is killed without a sync: its guest did not finish writing in time/);
    assert.match(stderr, /vm "db" is killed without a sync/);
    for (const name of ['web', 'db']) {
      lab.guests.syncGate = undefined;
      await resultOf(lab.client.startVm(name, { signal }));
    }
    lab.guests.isSilent = true;
    const json = await banger(['vm', 'stop', '--json', 'web']);
    const [{ vm, ...told }] = JSON.parse(json.stdout);
    assert.deepEqual([json.status, vm.state, 'ending' in vm], [1, 'stopped', false]);
    const reason = 'its agent does not answer';
    assert.deepEqual(told, { ref: 'web', outcome: 'killed', synced: false, reason });
    // A kill does what it was asked to do, so there is no warning.
    const killed = await banger(['vm', 'kill', '--json', 'db']);
    assert.deepEqual([killed.status, JSON.parse(killed.stdout)[0].synced], [0, false]);
  });

  test('that is interrupted by Ctrl-C kills the guest, says what is lost, and exits with 130', async () => {
    await make();
    plays({ writes: 8 * MB });
    lab.guests.syncGate = new Promise(() => {});
    const signals = new FakeSignals();
    const stopping = banger(['vm', 'stop', 'web'], signals);
    await isSyncing();
    signals.send('SIGINT');
    const { status, stdout, stderr } = await soon(5_000, stopping);
    assert.deepEqual([status, stdout], [130, 'web: killed\n']);
    assert.match(stderr, /vm "web" is killed without a sync: the stop was interrupted/);
    assert.equal((await lab.client.showVm('web', { signal })).state, 'stopped');
  });

  test('whose client dies is finished by the daemon, without a loss of data', async () => {
    await make();
    plays({ writes: 8 * MB });
    const { promise, resolve: write } = Promise.withResolvers<void>();
    lab.guests.syncGate = promise;
    const client = new AbortController();
    const stopping = resultOf(lab.client.stopVm('web', client));
    stopping.catch(() => {});
    await isSyncing();
    client.abort(new Error('gone'));
    await assert.rejects(stopping);
    const synced = lab.guests.syncCount;
    await sleep(500, { signal });
    assert.equal((await lab.client.showVm('web', { signal })).state, 'stopping');
    write();
    await resultOf(lab.client.waitForVm('web', { until: 'stopped' }, { signal }));
    assert.equal(lab.guests.syncCount, synced + 1);
  });
});

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { kill } from 'node:process';
import { test } from 'node:test';
import { connectQmp } from '../../src/adapters/vmm/qemu/qmp/qmp-client.ts';
import { neverAborts, sleep } from '../../src/base/abort.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';
import { ownMonitor } from './support/own-monitor.ts';

const signal = neverAborts();

/** How many `ms` guests are paused: much longer than anything else here takes. */
const PAUSE_MS = 15_000;

test("a guest's clock is right a second after a pause, whether a daemon noticed it or not, and after a suspend", async () => {
  await using lab = await openLab();
  await lab.text(['vm', 'create', '--name', 'box', ...SMALL]);
  assertRight(await clockOf(lab));
  const [vmId = ''] = await readdir(lab.paths.vmRuntimeDir);
  const qmpSocket = join(lab.paths.vmRuntimeDir, vmId, 'qmp.sock');

  kill(await lab.daemonPid(), 'SIGKILL');
  {
    using qmp = await connectQmp(qmpSocket, { signal });
    await qmp.execute('stop', {}, { signal });
    await sleep(PAUSE_MS, { signal });
    await qmp.execute('cont', {}, { signal });
  }
  await lab.text(['vm', 'list']);
  await sleep(1_000, { signal });
  assertRight(await clockOf(lab));

  kill(await lab.daemonPid(), 'SIGKILL');
  {
    await using monitor = await ownMonitor(qmpSocket);
    assertRight(await clockOf(lab));
    await monitor.run('stop');
    await sleep(PAUSE_MS, { signal });
    await monitor.run('cont');
    await sleep(1_000, { signal });
    assertRight(await clockOf(lab));
    kill(await lab.daemonPid(), 'SIGKILL');
  }

  await lab.text(['vm', 'suspend', 'box']);
  await lab.text(['vm', 'resume', 'box']);
  assertRight(await clockOf(lab));
});

interface Reading {
  guestMs: number;
  /** the host's, before and after */
  betweenMs: readonly [number, number];
}

async function clockOf(lab: Lab): Promise<Reading> {
  const before = Date.now();
  const text = await lab.text(['vm', 'exec', 'box', '--', 'date', '+%s%3N']);
  return { guestMs: Number(text), betweenMs: [before, Date.now()] };
}

function assertRight({ guestMs, betweenMs: [before, after] }: Reading): void {
  assert.ok(guestMs > before - 1_000, `the guest's clock is ${before - guestMs} ms behind`);
  assert.ok(guestMs < after + 1_000, `the guest's clock is ${guestMs - after} ms ahead`);
}

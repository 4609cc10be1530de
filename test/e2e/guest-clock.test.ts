import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectQmp } from '../../src/adapters/vmm/qemu/qmp/qmp-client.ts';
import { neverAborts, sleep } from '../../src/base/abort.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { soon } from '../support/soon.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';
import { ownMonitor } from './support/own-monitor.ts';

const signal = neverAborts();

/** How many `ms` guests are paused, and so their clocks are behind: far more than a right clock may be. */
const PAUSE_MS = 6_000;

/** `ms` after a pause in which the clock is right on an idle host, with the commands that read it. */
const RIGHT_SOON_MS = 5_000;

test("a guest's clock is right soon after a pause, whether a daemon noticed it or not, and after a suspend", async () => {
  await using lab = await openLab();
  await lab.text(['vm', 'create', '--name', 'box', ...SMALL]);
  assertRight(await clockOf(lab));
  const { id } = JSON.parse(await lab.text(['vm', 'show', 'box'])) as Vm;
  const qmpSocket = join(lab.paths.vmRuntimeDir, id, 'qmp.sock');

  await lab.killDaemon();
  {
    using qmp = await connectQmp(qmpSocket, { signal });
    await qmp.execute('stop', {}, { signal });
    await sleep(PAUSE_MS, { signal });
    await qmp.execute('cont', {}, { signal });
  }
  await lab.text(['vm', 'list']);
  await becomesRight(lab);

  await lab.killDaemon();
  {
    await using monitor = await ownMonitor(qmpSocket);
    assertRight(await clockOf(lab));
    await monitor.run('stop');
    await sleep(PAUSE_MS, { signal });
    await monitor.run('cont');
    await becomesRight(lab);
    await lab.killDaemon();
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

async function becomesRight(lab: Lab): Promise<void> {
  const isRight = async (): Promise<boolean> => behindMs(await clockOf(lab)) === 0;
  await soon(RIGHT_SOON_MS, until(isRight, { what: 'the right time in the guest', everyMs: 100 }));
}

function assertRight(reading: Reading): void {
  assert.equal(behindMs(reading), 0, `the guest's clock is ${behindMs(reading)} ms behind`);
}

/** How far the guest's clock is behind; negative when it is ahead, and 0 within a second. */
function behindMs({ guestMs, betweenMs: [before, after] }: Reading): number {
  if (guestMs <= before - 1_000) return before - guestMs;
  return guestMs >= after + 1_000 ? after - guestMs : 0;
}

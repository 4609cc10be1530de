import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kill } from 'node:process';
import { test } from 'node:test';
import { neverAborts, sleep } from '../../src/base/abort.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';
import { ownMonitor } from './support/own-monitor.ts';

const signal = neverAborts();

/** `ms` that guests are paused: much longer than anything else here takes. */
const PAUSE_MS = 15_000;

test("a guest's clock is right a second after somebody's pause, also after one that no daemon saw, and after a suspend", async () => {
  const dir = await mkdtemp(join(tmpdir(), 'bm-'));
  const monitor = await ownMonitor(dir);
  await using lab = await openLab({ env: monitor.env });
  await lab.text(['vm', 'create', '--name', 'box', ...SMALL]);
  assertRight(await clockOf(lab));

  await monitor.run('stop');
  await sleep(PAUSE_MS, { signal });
  await monitor.run('cont');
  await sleep(1_000, { signal });
  assertRight(await clockOf(lab));

  kill(await lab.daemonPid(), 'SIGKILL');
  await monitor.run('stop');
  await sleep(PAUSE_MS, { signal });
  await monitor.run('cont');
  await lab.text(['vm', 'list']);
  await sleep(1_000, { signal });
  assertRight(await clockOf(lab));

  await lab.text(['vm', 'suspend', 'box']);
  await lab.text(['vm', 'resume', 'box']);
  assertRight(await clockOf(lab));
  await rm(dir, { recursive: true });
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

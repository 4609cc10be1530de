import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { neverAborts, poll, sleep } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, type LabDaemon, openDaemonLab } from '../../support/daemon-lab.ts';

/** Guests with a simulated clock: it differs from the host's by `offMs` until it is set. */

const signal = neverAborts();
let lab: DaemonLab;
let daemon: LabDaemon;
let offMs: number;
let setCount: number;
/** how far the host's clock was set */
let hostStepMs: number;
const hostNow = (): number => Date.now() + hostStepMs;

beforeEach(async () => {
  [offMs, setCount, hostStepMs] = [0, 0, 0];
  lab = await openDaemonLab();
  lab.guests.resumes = new Set();
  lab.guests.answeredClock = () => Date.now() + offMs;
  lab.guests.tamper = (wanted) => {
    if (wanted.wallClockMs === undefined) return wanted;
    offMs = wanted.wallClockMs - Date.now();
    setCount += 1;
    return wanted;
  };
  await start();
});

afterEach(async () => {
  await lab[Symbol.asyncDispose]();
});

test('the clock of a paused guest is set when it resumes', async () => {
  await resultOf(lab.client.createVm({ name: 'box' }, { signal }));
  const before = setCount;
  offMs = -60_000;
  for (const resume of lab.guests.resumes ?? []) resume();
  await until('the clock to be set', () => Math.abs(offMs) < 500);
  assert.ok(setCount > before);
  await until('the step to be logged', () => clocksSet().some(({ stepMs }) => Number(stepMs) > 59_000));
});

test('a clock that is off by less than half a second is not changed', async () => {
  await resultOf(lab.client.createVm({ name: 'box' }, { signal }));
  const [before, asked] = [setCount, lab.guests.personalised.length];
  offMs = -300;
  for (const resume of lab.guests.resumes ?? []) resume();
  await until('the clock to be read', () => lab.guests.personalised.length > asked);
  await sleep(100, { signal });
  assert.equal(setCount, before);
});

test('after the clock of the host was set, or the host has slept, the clocks of all guests are set', async () => {
  for (const name of ['one', 'two']) await resultOf(lab.client.createVm({ name }, { signal }));
  // Each guest answers with the time to which it was just set.
  lab.guests.answeredClock = ({ wallClockMs }) => wallClockMs ?? Date.now();
  for (const stepMs of [3_600_000, -1_800_000]) {
    const before = clocksSet().length;
    hostStepMs += stepMs;
    await until('both clocks to be set', () => clocksSet().length === before + 2);
    for (const set of clocksSet().slice(before))
      assert.ok(Math.abs(Number(set['stepMs']) - hostStepMs) < 500);
    assert.ok(Math.abs((lab.guests.personalised.at(-1)?.wallClockMs ?? 0) - hostNow()) < 5_000);
  }
});

test('the clock of a guest that was paused while no daemon ran is set by the next daemon', async () => {
  await resultOf(lab.client.createVm({ name: 'box' }, { signal }));
  await daemon[Symbol.asyncDispose]();
  offMs = -60_000;
  await start();
  await until('the clock to be set', () => Math.abs(offMs) < 500);
});

test('drift of a clock is corrected from time to time; a clock that was set in the guest is not changed', async () => {
  await daemon[Symbol.asyncDispose]();
  await start({ driftEveryMs: 20 });
  await resultOf(lab.client.createVm({ name: 'box' }, { signal }));
  offMs = 2_000;
  await until('the drift to be corrected', () => Math.abs(offMs) < 500);
  const asked = lab.guests.personalised.length;
  offMs = -86_400_000;
  await until('the clock to be read some times', () => lab.guests.personalised.length > asked + 3);
  assert.equal(offMs, -86_400_000);
});

test('a guest that does not answer does not prevent that the clocks of others are set', async () => {
  for (const name of ['one', 'two']) await resultOf(lab.client.createVm({ name }, { signal }));
  let isFirst = true;
  const { answeredClock } = lab.guests;
  lab.guests.answeredClock = () => {
    if (!isFirst) return answeredClock?.({}) ?? 0;
    isFirst = false;
    throw new Error('no answer');
  };
  offMs = -60_000;
  for (const resume of lab.guests.resumes ?? []) resume();
  await until('the clock to be set', () => Math.abs(offMs) < 500);
  await until('the failure to be logged', () =>
    lab.logged.some(({ msg }) => /clock could not be checked/.test(String(msg))),
  );
});

test('a clock that could not be checked is checked again until it is right, and the log names the VM once', async () => {
  await resultOf(lab.client.createVm({ name: 'box' }, { signal }));
  let failures = 3;
  const { answeredClock } = lab.guests;
  lab.guests.answeredClock = () => {
    if (failures === 0) return answeredClock?.({}) ?? 0;
    failures -= 1;
    throw new Error('no answer');
  };
  offMs = -60_000;
  for (const resume of lab.guests.resumes ?? []) resume();
  await until('the clock to be set', () => Math.abs(offMs) < 500);
  assert.equal(failures, 0);
  const warnings = lab.logged.filter(({ level }) => level === 'warn');
  assert.deepEqual(
    warnings.map(({ vm, msg }) => [vm, msg]),
    [['box', "a guest's clock could not be checked"]],
  );
});

function clocksSet(): Record<string, unknown>[] {
  return lab.logged.filter(({ msg }) => /^a guest's clock was set/.test(String(msg)));
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  await poll(() => isSo() || undefined, { everyMs: 5, deadlineMs: 55_000, what, signal });
}

async function start({ driftEveryMs = 3_600_000 } = {}): Promise<void> {
  daemon = await lab.start({
    hostClock: { wallMs: hostNow, monotonicMs: () => performance.now(), everyMs: 5, driftEveryMs },
  });
}

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { neverAborts, poll, sleep } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, type LabDaemon, openDaemonLab } from '../../support/daemon-lab.ts';

/** Guests whose clock is a model: it is off from the host's by `offMs`, until it is set. */

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

test('a guest that was paused has its clock set when it runs again', async () => {
  await resultOf(lab.client.createVm({ name: 'box' }, { signal }));
  const before = setCount;
  offMs = -60_000;
  for (const resume of lab.guests.resumes ?? []) resume();
  await until('the clock to be set', () => Math.abs(offMs) < 500);
  assert.ok(setCount > before);
  await until('the step to be logged', () => clocksSet().some(({ stepMs }) => Number(stepMs) > 59_000));
});

test('a clock that is off by less than half a second is left alone', async () => {
  await resultOf(lab.client.createVm({ name: 'box' }, { signal }));
  const [before, asked] = [setCount, lab.guests.personalised.length];
  offMs = -300;
  for (const resume of lab.guests.resumes ?? []) resume();
  await until('the clock to be read', () => lab.guests.personalised.length > asked);
  await sleep(100, { signal });
  assert.equal(setCount, before);
});

test('when the clock of the host is set, or the host has slept, the clocks of all guests follow', async () => {
  for (const name of ['one', 'two']) await resultOf(lab.client.createVm({ name }, { signal }));
  // They follow the processors' time, whatever they are set to.
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

test('a guest that was paused while no daemon was there has its clock set by the next one', async () => {
  await resultOf(lab.client.createVm({ name: 'box' }, { signal }));
  await daemon[Symbol.asyncDispose]();
  offMs = -60_000;
  await start();
  await until('the clock to be set', () => Math.abs(offMs) < 500);
});

test('a clock that has drifted is corrected from time to time; one that was set in the guest is not', async () => {
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

test('a guest that does not answer keeps nobody from having the right time', async () => {
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

test('a clock that could not be checked is checked again until it is right', async () => {
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

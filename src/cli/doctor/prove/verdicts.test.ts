import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { DRAW_COUNT, type GuestFacts, SOURCES } from './guest-facts.ts';
import { verdictsOf } from './verdicts.ts';

const NAMES = SOURCES.map((source) => `random: ${source}`);

test('guests that share nothing and have the right time pass all checks', () => {
  const verdicts = verdictsOf([facts('a'), facts('b'), facts('c')]);
  assert.deepEqual(
    verdicts.map(({ name, status }) => `${name} ${status}`),
    [...NAMES, 'machine ids', 'ssh host keys', 'boot ids', 'clocks'].map((name) => `${name} pass`),
  );
});

for (const source of SOURCES) {
  test(`a value of ${source} that appears in two guests, or twice in one, fails`, () => {
    for (const isWithinOne of [true, false]) {
      const [a, b] = [facts('a'), facts('b')];
      const [first = '', ...rest] = a.draws.get(source) ?? [];
      const other = isWithinOne ? a : b;
      const spoilt = new Map(other.draws).set(source, [...rest.slice(0, DRAW_COUNT - 1), first]);
      const broken = isWithinOne
        ? { ...a, draws: new Map(a.draws).set(source, [...rest, rest[0] ?? '']) }
        : { ...b, draws: spoilt };
      assert.equal(statusOf(isWithinOne ? [broken, b] : [a, broken], `random: ${source}`), 'fail');
    }
  });

  test(`too few values of ${source} fail, and an image without it is a warning`, () => {
    const without = (guest: GuestFacts, count: number): GuestFacts => ({
      ...guest,
      draws: new Map(guest.draws).set(source, guest.draws.get(source)?.slice(0, count) ?? []),
    });
    const name = `random: ${source}`;
    assert.equal(statusOf([facts('a'), without(facts('b'), DRAW_COUNT - 1)], name), 'fail');
    assert.equal(statusOf([facts('a'), without(facts('b'), 0)], name), 'fail');
    assert.equal(statusOf([without(facts('a'), 0), without(facts('b'), 0)], name), 'warn');
  });
}

for (const [name, field] of [
  ['machine ids', 'machineIds'],
  ['ssh host keys', 'sshHostKeys'],
] as const) {
  test(`${name} fail when they are shared or missing`, () => {
    const [a, b] = [facts('a'), facts('b')];
    const [shared = ''] = a[field];
    const verdict = verdictsOf([a, { ...b, [field]: [...b[field], shared] }]).find(
      (each) => each.name === name,
    );
    assert.deepEqual([verdict?.status, verdict?.message], ['fail', `more than one guest has "${shared}"`]);
    assert.equal(statusOf([a, { ...b, [field]: [] }], name), 'fail');
    // In one guest the same id may be in several places.
    assert.equal(statusOf([{ ...a, [field]: [shared, shared] }, b], name), 'pass');
  });
}

test('boot ids may be shared, with a notice; a missing one is a warning', () => {
  const verdict = (...ids: string[]): string => {
    const found = verdictsOf(ids.map((bootId) => ({ ...facts('a'), bootId }))).find(
      ({ name }) => name === 'boot ids',
    );
    return `${found?.status}: ${found?.message}`;
  };
  assert.match(verdict('x', 'x', 'x'), /^pass: shared, as expected: .*machine ids/);
  assert.equal(verdict('x', 'y'), 'pass: 2 guests, all different');
  assert.equal(verdict('x', ''), 'warn: a guest reported none');
});

for (const [offsetMs, uncertaintyMs, status] of [
  [0, 5, 'pass'],
  [-94, 5, 'pass'],
  [95, 5, 'pass'],
  [150, 40, 'fail'],
  [-7_200_000, 500, 'fail'],
  [60, 50, 'warn'],
  [140, 50, 'warn'],
] as const) {
  test(`a clock that is ${offsetMs} ms off, give or take ${uncertaintyMs}, is a ${status}`, () => {
    const guests = [facts('a'), { ...facts('b'), clock: { offsetMs, uncertaintyMs } }];
    assert.equal(statusOf(guests, 'clocks'), status);
  });
}

function statusOf(guests: readonly GuestFacts[], name: string): string | undefined {
  return verdictsOf(guests).find((each) => each.name === name)?.status;
}

function facts(name: string): GuestFacts {
  return {
    name,
    draws: new Map(SOURCES.map((source) => [source, Array.from({ length: DRAW_COUNT }, () => randomUUID())])),
    machineIds: [randomUUID()],
    sshHostKeys: [`ssh-ed25519 ${randomUUID()}`],
    bootId: randomUUID(),
    clock: { offsetMs: 1, uncertaintyMs: 20 },
  };
}

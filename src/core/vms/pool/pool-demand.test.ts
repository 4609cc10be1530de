import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PoolDemand } from './pool-demand.ts';

const LIMITS = { most: 3, withinMs: { least: 1_000, most: 5_000 }, forgetMs: 10_000, keepMs: 60_000 };

function demandOf(starts: readonly (readonly [string, number])[], limits = LIMITS): PoolDemand {
  const demand = new PoolDemand(limits);
  for (const [key, atMs] of starts) demand.note(key, atMs);
  return demand;
}

const wantedAt = (demand: PoolDemand, nowMs: number): [string, number][] => [...demand.wanted(nowMs)];

describe('the demand for pool VMs', () => {
  test('is none before anything starts', () => {
    const demand = new PoolDemand(LIMITS);
    assert.deepEqual(wantedAt(demand, 0), []);
    assert.equal(demand.changesInMs(0), undefined);
  });

  test('is one after a start, and after starts that the pool can follow', () => {
    const demand = demandOf([
      ['a', 0],
      ['a', 2_000],
      ['a', 4_000],
    ]);
    assert.deepEqual(wantedAt(demand, 4_000), [['a', 1]]);
    assert.equal(demand.isQuick('a', 4_000), false);
  });

  test('is as many as started in quick succession, up to the limit', () => {
    const demand = demandOf([
      ['a', 0],
      ['a', 300],
    ]);
    assert.deepEqual(wantedAt(demand, 300), [['a', 2]]);
    assert.equal(demand.isQuick('a', 300), true);
    for (const atMs of [600, 900, 1_200]) demand.note('a', atMs);
    assert.deepEqual(wantedAt(demand, 1_200), [['a', 3]]);
  });

  test('is one while each start waits for the pool VM, however the time to make one varies', () => {
    const demand = new PoolDemand(LIMITS);
    let nowMs = 0;
    for (const paceMs of [2_000, 1_500, 2_400, 1_700, 4_000]) {
      demand.note('a', nowMs);
      assert.deepEqual(wantedAt(demand, nowMs), [['a', 1]], `before one that takes ${paceMs} ms`);
      demand.notePace(paceMs);
      nowMs += paceMs + 100;
    }
    assert.deepEqual(wantedAt(demand, nowMs), [['a', 1]]);
  });

  test('is as many as start while the pool makes one, as long as that takes, within bounds', () => {
    for (const [paceMs, count] of [
      [1_900, 1],
      [2_000, 2],
      [0, 1],
      [60_000, 2],
    ] as const) {
      const demand = demandOf([
        ['a', 0],
        ['a', 2_000],
      ]);
      demand.notePace(paceMs);
      assert.deepEqual(wantedAt(demand, 2_000), [['a', count]], `${paceMs} ms`);
    }
    const demand = demandOf([
      ['a', 0],
      ['a', 2_000],
      ['a', 7_100],
    ]);
    demand.notePace(60_000);
    assert.deepEqual(wantedAt(demand, 7_100), [['a', 2]], 'at most 5 s');
  });

  test('falls to one when starts are forgotten, and to none after the time that one is kept', () => {
    const demand = demandOf([
      ['a', 0],
      ['a', 0],
      ['a', 0],
    ]);
    assert.deepEqual(wantedAt(demand, 9_999), [['a', 3]]);
    assert.equal(demand.changesInMs(9_999), 1);
    assert.deepEqual(wantedAt(demand, 10_000), [['a', 1]]);
    assert.equal(demand.changesInMs(10_000), 50_000);
    assert.deepEqual(wantedAt(demand, 60_000), []);
    assert.equal(demand.changesInMs(60_000), undefined);
  });

  test('is of each shape that is used, the latest first, and only of that one later', () => {
    const demand = demandOf([
      ['a', 0],
      ['a', 100],
      ['a', 200],
      ['b', 5_000],
    ]);
    assert.deepEqual(wantedAt(demand, 5_000), [
      ['b', 1],
      ['a', 2],
    ]);
    assert.equal(demand.isEarlier('a', 'b'), true);
    assert.deepEqual(wantedAt(demand, 10_200), [['b', 1]]);
  });

  test('is one of the latest shapes when more are used than the limit', () => {
    const starts = ['a', 'b', 'c', 'd'].map((key, index) => [key, index] as const);
    assert.deepEqual(wantedAt(demandOf(starts), 10), [
      ['d', 1],
      ['c', 1],
      ['b', 1],
    ]);
  });

  test('changes by time alone exactly when it says so, and is never over the limit', () => {
    const starts = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(3_000)), { maxLength: 40 });
    fc.assert(
      fc.property(starts, fc.integer({ min: 1, max: 4 }), (gaps, most) => {
        const demand = new PoolDemand({ ...LIMITS, most });
        let nowMs = 0;
        for (const [key, gapMs] of gaps) {
          nowMs += gapMs;
          demand.note(key, nowMs);
          const total = [...demand.wanted(nowMs).values()].reduce((sum, count) => sum + count, 0);
          assert.ok(total >= 1 && total <= most, String(total));
        }
        // Time alone ends all demand, in steps that are all announced.
        for (let left = demand.changesInMs(nowMs); left !== undefined; left = demand.changesInMs(nowMs)) {
          const before = wantedAt(demand, nowMs);
          assert.deepEqual(wantedAt(demand, nowMs + Math.max(0, left - 1)), left > 0 ? before : []);
          nowMs += left;
          demand.wanted(nowMs);
        }
        assert.deepEqual(wantedAt(demand, nowMs), []);
      }),
    );
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SavedBy, SavedGuestParts } from '../ports/saved-by.ts';
import { differenceOf, requireFit } from './saved-by.ts';

const PARTS: SavedGuestParts = {
  vmm: { name: 'QEMU 7.2.22', token: '7.2' },
  accelerator: { name: 'KVM', token: 'kvm' },
  processor: { name: '"P"', token: 'P' },
  machine: { name: '"microvm"', token: 'm' },
};
const SAVED: SavedBy = {
  kind: { key: 'k', parts: PARTS },
  agent: { generation: 2, version: '1' },
  banger: '1.0.0',
};
const GENERATIONS = { oldest: 2, newest: 3 };

function host(parts: Partial<SavedGuestParts> = {}) {
  const probe = { savedGuestKey: 'other', savedGuestParts: { ...PARTS, ...parts } };
  return { probe, generations: GENERATIONS };
}

test('a guest without relevant differences fits, also with another key', () => {
  assert.equal(differenceOf(SAVED, host()), undefined);
  const renamed = { name: 'QEMU 7.2.23', token: '7.2' };
  assert.equal(differenceOf(SAVED, host({ vmm: renamed })), undefined);
});

test('each difference is named, with the saved and the present value', () => {
  for (const part of ['vmm', 'accelerator', 'processor', 'machine'] as const) {
    const here = { name: 'something else', token: 'else' };
    assert.deepEqual(differenceOf(SAVED, host({ [part]: here })), {
      part,
      saved: PARTS[part].name,
      here: 'something else',
      banger: '1.0.0',
    });
  }
});

test('an agent fits if this program speaks its generation', () => {
  for (const [generation, fits] of [
    [1, false],
    [2, true],
    [3, true],
    [4, false],
  ] as const) {
    const saved = { ...SAVED, agent: { generation, version: '1' } };
    const difference = differenceOf(saved, host());
    assert.equal(difference === undefined, fits, String(generation));
    if (difference) assert.deepEqual([difference.part, difference.here], ['agent', 'generations 2 to 3']);
  }
});

test('a missing value is assumed to fit, but a missing generation of the agent means the first', () => {
  const { kind: _, agent: __, ...unknown } = SAVED;
  assert.equal(differenceOf(unknown, host({ vmm: { name: 'x', token: 'x' } })), undefined);
  assert.equal(differenceOf(SAVED, { probe: {}, generations: GENERATIONS }), undefined);
  assert.equal(differenceOf(undefined, { probe: {}, generations: { oldest: 1, newest: 9 } }), undefined);
  assert.equal(differenceOf(undefined, { probe: {}, generations: GENERATIONS })?.part, 'agent');
});

test('the error says what differs, and what to do', () => {
  const here = { name: 'QEMU 8.2.0', token: '8.2' };
  assert.throws(() => requireFit(SAVED, host({ vmm: here }), { what: 'resume vm "web"', hint: 'boot it' }), {
    code: 'SAVED_GUEST_DIFFERS',
    message: 'Cannot resume vm "web": it was saved with the VMM QEMU 7.2.22, and this host has QEMU 8.2.0',
    hint: 'boot it',
    details: { part: 'vmm', saved: 'QEMU 7.2.22', here: 'QEMU 8.2.0', banger: '1.0.0' },
  });
});

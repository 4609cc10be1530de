import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nullLog } from '../../../../test/support/null-log.ts';
import type { AddressClaims } from '../../ports/loopback.ts';
import type { VmRecord } from '../../ports/records.ts';
import { GuestAddresses } from './guest-addresses.ts';

/** Claims of one host, which several daemons share. */
function sharedClaims(): AddressClaims & { held: Set<string> } {
  const held = new Set<string>();
  return {
    held,
    claim: async (address) => {
      if (held.has(address)) return undefined;
      held.add(address);
      return { [Symbol.dispose]: () => void held.delete(address) };
    },
  };
}

function daemon(claims: AddressClaims, stored: Pick<VmRecord, 'name' | 'guestIp'>[] = []) {
  const all = stored as VmRecord[];
  const listeners = new Set<(vmId: string) => void>();
  const records = {
    list: () => [...all],
    get: (vmId: string) => all.find(({ id }) => id === vmId),
    listen: (listener: (vmId: string) => void) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    updateAll: (changed: readonly VmRecord[]) => {
      for (const record of changed) all[all.findIndex(({ name }) => name === record.name)] = record;
      return [...changed];
    },
  };
  const addresses = new GuestAddresses({ records, claims, uid: 1000, random: () => 0, log: nullLog });
  const remove = (name: string): void => {
    const [record] = all.splice(
      all.findIndex((one) => one.name === name),
      1,
    );
    for (const listener of listeners) listener(record?.id ?? name);
  };
  return { addresses, all, remove };
}

test('take() never returns an address that another daemon, a record or a VM in the making has', async () => {
  const claims = sharedClaims();
  const [one, two] = [daemon(claims), daemon(claims, [{ name: 'old', guestIp: '127.77.232.2' }])];
  using first = await one.addresses.take();
  using second = await two.addresses.take();
  using third = await two.addresses.take();
  assert.deepEqual(
    [first.guestIp, second.guestIp, third.guestIp],
    ['127.77.232.1', '127.77.232.3', '127.77.232.4'],
  );
});

test('the address of a VM that is gone, or was never made, is free again', async () => {
  const claims = sharedClaims();
  const { addresses, all } = daemon(claims);
  {
    using taken = await addresses.take();
    all.push({ name: 'web', ...taken } as unknown as VmRecord);
    using _other = await addresses.take();
  }
  using later = await addresses.take();
  assert.equal(later.guestIp, '127.77.232.2');
  all.pop();
  using last = await addresses.take();
  assert.equal(last.guestIp, '127.77.232.1');
});

test('when other programs have claimed every address, VMs still get one', async () => {
  const { addresses } = daemon({ claim: async () => undefined });
  using taken = await addresses.take();
  assert.equal(taken.guestIp, '127.77.232.1');
});

test('begin() gives addresses to VMs of earlier versions, and others to VMs whose address another daemon has', async () => {
  const claims = sharedClaims();
  claims.held.add('127.77.232.9');
  const { addresses, all } = daemon(claims, [
    { name: 'kept', guestIp: '127.77.232.2' },
    { name: 'lost', guestIp: '127.77.232.9' },
    { name: 'early' },
  ]);
  await addresses.begin();
  assert.deepEqual(
    all.map(({ name, guestIp }) => [name, guestIp]),
    [
      ['kept', '127.77.232.2'],
      ['lost', '127.77.232.1'],
      ['early', '127.77.232.3'],
    ],
  );
  addresses[Symbol.dispose]();
  assert.deepEqual([...claims.held], ['127.77.232.9']);
});

test('the address of a deleted VM is claimed no longer', async () => {
  const claims = sharedClaims();
  const { addresses, all, remove } = daemon(claims);
  for (const name of ['web', 'db']) {
    using taken = await addresses.take();
    all.push({ id: name, name, guestIp: taken.guestIp } as VmRecord);
  }
  assert.deepEqual([...claims.held], ['127.77.232.1', '127.77.232.2']);
  remove('web');
  assert.deepEqual([...claims.held], ['127.77.232.2']);
});

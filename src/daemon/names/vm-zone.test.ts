import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labRecord } from '../../../test/support/daemon-lab.ts';
import type { VmRecord } from '../../core/ports/records.ts';
import { vmZone } from './vm-zone.ts';

test('names follow the records, which are read only after a change', () => {
  let stored: VmRecord[] = [];
  let readCount = 0;
  const listeners = new Set<(vmId: string) => void>();
  const records = {
    list: () => {
      readCount += 1;
      return stored;
    },
    listen: (listener: (vmId: string) => void) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
  const zone = vmZone(records, { probeLabel: '_probe', ownAddress: '127.53.0.1' });
  const change = (fields: Partial<VmRecord> & Pick<VmRecord, 'state'>): void => {
    stored = [labRecord({ id: 'a', name: 'web', guestIp: '127.77.0.1', ...fields })];
    for (const listener of listeners) listener('a');
  };
  assert.equal(zone.addressOf('web'), undefined);
  change({ state: 'running' });
  for (let asked = 0; asked < 100; asked += 1) assert.equal(zone.addressOf('web'), '127.77.0.1');
  assert.equal(readCount, 2);
  change({ state: 'suspended', name: 'api' });
  assert.deepEqual([zone.addressOf('web'), zone.addressOf('api')], [undefined, '127.77.0.1']);
  change({ state: 'stopped' });
  assert.equal(zone.addressOf('web'), undefined);
  assert.equal(zone.addressOf('_probe'), '127.53.0.1');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nullLog } from '../../../test/support/null-log.ts';
import { neverAborts, poll } from '../../base/abort.ts';
import type { VmRecord } from '../../core/ports/records.ts';
import type { VmWorld } from '../../core/vms/world.ts';
import { watchIdleVms } from './idle-vms.ts';
import { VmUse } from './vm-use.ts';

const ID = '0123456789ab';

for (const limit of ['stopAfterMs', 'suspendAfterMs'] as const) {
  test(`${limit}: a VM that is used again before its turn keeps running`, async () => {
    let nowMs = 0;
    const now = (): number => nowMs;
    const use = new VmUse(now);
    use.begin(ID)[Symbol.dispose]();
    const ofVm = { id: ID, name: 'web', driverName: 'one' };
    const record = { ...ofVm, state: 'running', network: { mode: 'none' } } as VmRecord;
    const updates: VmRecord[] = [];
    let turns = 0;
    const world = {
      drivers: [{ name: 'one', lacks: {} }],
      records: {
        get: () => record,
        list: () => [record],
        damaged: () => [],
        update: (next: VmRecord) => updates.push(next),
      },
      live: { ids: () => [ID], get: () => ({}) },
      locks: {
        holder: () => undefined,
        run: async (_: string, task: (held: object) => Promise<unknown>) => {
          // While the watch waits for the lock.
          use.begin(ID)[Symbol.dispose]();
          const result = await task({ signal: neverAborts() });
          turns += 1;
          return result;
        },
      },
    } as unknown as VmWorld;
    await using _watch = watchIdleVms({
      ...{ world, use, log: nullLog, isMeasured: false, now, everyMs: 5 },
      [limit]: 1_000,
    });
    nowMs = 2_000;
    const options = { everyMs: 5, deadlineMs: 55_000, what: 'the turn', signal: neverAborts() };
    await poll(() => turns > 0 || undefined, options);
    assert.deepEqual(updates, []);
  });
}

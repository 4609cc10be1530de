import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../../../base/errors.ts';
import type { DriverProbe, VmDriver } from '../../ports/vmm/driver.ts';
import { driverOf, type VmDrivers } from '../vm-drivers.ts';
import { chooseDriver, requireFeature } from './choose-driver.ts';

/** A driver of which only the choice looks at anything. */
function driver(name: string, lacks: VmDriver['lacks'] = {}): VmDriver {
  return { name, lacks } as VmDriver;
}

const ALL: VmDrivers = [driver('one'), driver('two', { network: 'two has no network', capture: 'not yet' })];
const WORKS: DriverProbe = { isUsable: true, version: 'v1' };
const MISSING: DriverProbe = { isUsable: false, reason: 'two: not installed', hint: 'put it on PATH' };

/** The name of the driver that is chosen, and the names of those that were probed. */
async function chosen(
  wanted: Parameters<typeof chooseDriver>[1],
  probes: Record<string, DriverProbe>,
): Promise<[string, string[]]> {
  const probed: string[] = [];
  const { driver: found } = await chooseDriver(ALL, wanted, async ({ name }) => {
    probed.push(name);
    return probes[name] ?? MISSING;
  });
  return [found.name, probed];
}

test('without a wish the first that works is chosen, and no further one is probed', async () => {
  assert.deepEqual(await chosen({ needs: [] }, { one: WORKS, two: WORKS }), ['one', ['one']]);
  assert.deepEqual(await chosen({ needs: [] }, { two: WORKS }), ['two', ['one', 'two']]);
});

test('the one that is asked for is chosen, and no other is probed', async () => {
  assert.deepEqual(await chosen({ asked: 'two', needs: [] }, { one: WORKS, two: WORKS }), ['two', ['two']]);
});

test('one that lacks what the VM needs is neither chosen nor probed', async () => {
  await assert.rejects(chosen({ needs: ['network'] }, { two: WORKS }), { code: 'VMM_NOT_FOUND' });
  await assert.rejects(chosen({ asked: 'two', needs: ['network'] }, { two: WORKS }), {
    code: 'VMM_LACKS',
    message: 'Cannot make the VM: two has no network',
    hint: 'make a VM that can: banger vm create --vmm one',
  });
});

test('one that is asked for and does not work is never replaced by another: the error says what is missing', async () => {
  await assert.rejects(chosen({ asked: 'two', needs: [] }, { one: WORKS }), {
    code: 'VMM_NOT_FOUND',
    message: 'Cannot use the VMM "two": two: not installed',
    hint: 'put it on PATH',
  });
});

test('an unknown name is an error that names the known ones', async () => {
  await assert.rejects(chosen({ asked: 'three', needs: [] }, {}), {
    code: 'VMM_UNKNOWN',
    message: 'Cannot use the VMM "three": it is not one of one, two',
  });
});

test('the driver of a VM is that of its record, or an error that names both', () => {
  assert.equal(driverOf({ drivers: ALL }, { driverName: 'two', name: 'web' }).name, 'two');
  assert.throws(
    () => driverOf({ drivers: ALL }, { driverName: 'gone', name: 'web' }),
    (error) =>
      error instanceof AppError && error.code === 'VMM_UNKNOWN' && /"gone".*one, two/.test(error.message),
  );
});

test('what a driver lacks is refused by name, and what it has is not', () => {
  const [one, two] = ALL;
  requireFeature(ALL, one, { feature: 'capture', what: 'fork vm "web"' });
  assert.throws(() => requireFeature(ALL, two as VmDriver, { feature: 'capture', what: 'fork vm "web"' }), {
    message: 'Cannot fork vm "web": not yet',
  });
});

import type { Abortable } from '../../../base/abort.ts';
import type { VmDriver } from '../../../core/ports/vmm/driver.ts';
import type { Check } from '../check.ts';

/**
 * The VMMs that only some VMs run on. Nobody needs them who does not ask for one, so one that cannot be used
 * is no fault, unless the configuration makes it that of new VMs.
 */
export const checkOtherVmms: Check = {
  name: 'other vmms',
  async run({ world, settings }, options) {
    const [, ...others] = world.drivers;
    const found = await Promise.all(others.map((driver) => look(driver, options)));
    const broken = found.find(({ name, isUsable }) => name === settings.defaultVmm && !isUsable);
    const message = found.map((one) => one.message).join('; ') || 'this program has none';
    if (!broken) return { status: 'pass', message };
    const { hint } = broken;
    return { status: 'fail', message, ...(hint === undefined ? {} : { fix: hint }) };
  },
};

async function look(
  driver: VmDriver,
  options: Abortable,
): Promise<{ name: string; isUsable: boolean; message: string; hint?: string | undefined }> {
  const { name, lacks } = driver;
  const { isUsable, version = name, testedVersion, reason, hint } = await driver.probe(undefined, options);
  if (!isUsable) return { name, isUsable, message: `${name}: ${reason ?? 'it cannot be used'}`, hint };
  const tested = testedVersion === undefined ? '' : `, tested with ${testedVersion}`;
  const without = Object.values(lacks).map((text) => `; ${text}`);
  return { name, isUsable, message: `${version}${tested}: for --vmm ${name}${without.join('')}` };
}

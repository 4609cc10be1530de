import { AppError } from '../../../base/errors.ts';
import type { DriverFeature, DriverProbe, VmDriver } from '../../ports/vmm/driver.ts';
import type { VmDrivers } from '../vm-drivers.ts';

/** What a VM asks of its VMM. */
export interface WantedDriver {
  /** a driver's name, from the request or the configuration; absent: the first that fits */
  asked?: string | undefined;
  needs: readonly DriverFeature[];
}

/** A driver that works here, and what its probe found. */
export interface ChosenDriver {
  driver: VmDriver;
  probe: DriverProbe;
}

/**
 * Chooses the driver of a new VM: the one that is asked for, or else the first that works here and lacks
 * nothing that the VM needs. Probes no more drivers than it has to, because a probe may boot a kernel.
 *
 * @throws {AppError} VMM_UNKNOWN; VMM_LACKS when the VMM that is asked for cannot do what the VM needs;
 * VMM_NOT_FOUND with what is missing.
 */
export async function chooseDriver(
  drivers: VmDrivers,
  { asked, needs }: WantedDriver,
  probeOf: (driver: VmDriver) => Promise<DriverProbe>,
): Promise<ChosenDriver> {
  if (asked !== undefined) {
    const driver = askedDriver(drivers, asked);
    for (const feature of needs) requireFeature(drivers, driver, { feature, what: 'make the VM' });
    const probe = await probeOf(driver);
    if (!probe.isUsable) throw unusable(`Cannot use the VMM "${asked}"`, probe);
    return { driver, probe };
  }
  let first: DriverProbe | undefined;
  for (const driver of drivers) {
    if (needs.some((feature) => driver.lacks[feature] !== undefined)) continue;
    const probe = await probeOf(driver);
    if (probe.isUsable) return { driver, probe };
    first ??= probe;
  }
  throw unusable('Cannot run VMs here', first ?? { isUsable: false });
}

/**
 * Checks that a VM's driver can do something, before anything is given up for it. `what` names the work:
 * `fork vm "web"`.
 *
 * @throws {AppError} VMM_LACKS with the reason.
 */
export function requireFeature(
  drivers: VmDrivers,
  driver: VmDriver,
  { feature, what }: { feature: DriverFeature; what: string },
): void {
  const reason = driver.lacks[feature];
  if (reason === undefined) return;
  const able = drivers.filter(({ lacks }) => lacks[feature] === undefined).map(({ name }) => name);
  throw new AppError('VMM_LACKS', `Cannot ${what}: ${reason}`, {
    ...(able.length === 0 ? {} : { hint: `make a VM that can: banger vm create --vmm ${able[0]}` }),
    details: { vmm: driver.name, feature },
  });
}

function askedDriver(drivers: VmDrivers, asked: string): VmDriver {
  const found = drivers.find(({ name }) => name === asked);
  if (found) return found;
  const known = drivers.map(({ name }) => name).join(', ');
  throw new AppError('VMM_UNKNOWN', `Cannot use the VMM "${asked}": it is not one of ${known}`, {
    hint: `use one of ${known}`,
    details: { field: 'vmm', value: asked },
  });
}

function unusable(what: string, { reason, hint, packages: missing }: DriverProbe): AppError {
  const packages = Object.entries(missing ?? {}).map(([manager, names]) => `${manager}: ${names}`);
  const install = packages.length > 0 ? `install the packages (${packages.join('; ')})` : undefined;
  return new AppError('VMM_NOT_FOUND', `${what}: ${reason ?? 'no VMM was found'}`, {
    hint: install ?? hint ?? 'banger doctor',
    details: { packages: missing },
  });
}

import { AppError } from '../../base/errors.ts';
import type { VmRecord, VmRecords } from '../ports/records.ts';
import type { DriverFeature, KillStrayOptions, VmDriver } from '../ports/vmm/driver.ts';
import type { VmSpec } from '../ports/vmm/spec.ts';

/** The drivers of this program, the preferred one first. */
export type VmDrivers = readonly [VmDriver, ...VmDriver[]];

/** What finding a driver works on. */
export interface DriverSet {
  drivers: VmDrivers;
}

/**
 * The driver of a VM, for its whole life: its drives and its saved guests are in the formats of that driver.
 *
 * @throws {AppError} VMM_UNKNOWN when this version of banger has none of that name.
 */
export function driverOf(
  { drivers }: DriverSet,
  { driverName, name }: Pick<VmRecord, 'driverName' | 'name'>,
): VmDriver {
  const found = drivers.find((driver) => driver.name === driverName);
  if (found) return found;
  const known = drivers.map((driver) => driver.name).join(', ');
  throw new AppError(
    'VMM_UNKNOWN',
    `Cannot use vm "${name}": it was made for the VMM "${driverName}", and this version of banger has ${known}`,
    { hint: 'use the version of banger that made it, or a newer one', details: { vmm: driverName } },
  );
}

/**
 * Kills every VMM of a VM: those of its driver, or of all drivers when it has no record, or a damaged one.
 * Idempotent.
 *
 * @throws {AppError} VMM_KILL_FAILED.
 */
export async function killStrays(
  { drivers, records }: DriverSet & { records: Pick<VmRecords, 'get'> },
  place: Pick<VmSpec, 'vmId' | 'runtimeDir' | 'consoleLogPath'>,
  options: KillStrayOptions = {},
): Promise<void> {
  const driverName = records.get(place.vmId)?.driverName;
  const own = drivers.filter(({ name }) => name === driverName);
  await Promise.all((own.length > 0 ? own : drivers).map((driver) => driver.killStray(place, options)));
}

/** Whether the driver of a VM can do something; true for a VM of an unknown driver. */
export function canDo(
  { drivers }: DriverSet,
  { driverName }: Pick<VmRecord, 'driverName'>,
  feature: DriverFeature,
): boolean {
  return drivers.find(({ name }) => name === driverName)?.lacks[feature] === undefined;
}

/** As `VmDriver.listRunning`, for all drivers. Without duplicates. */
export async function listRunning(
  { drivers }: DriverSet,
  folders: Parameters<VmDriver['listRunning']>[0],
): Promise<string[]> {
  const found = await Promise.all(drivers.map((driver) => driver.listRunning(folders)));
  return [...new Set(found.flat())];
}

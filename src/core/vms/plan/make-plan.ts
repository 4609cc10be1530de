import type { Abortable } from '../../../base/abort.ts';
import type { CreateVmRequest } from '../../../protocol/api/vm-requests.ts';
import type { Report, Task } from '../../../protocol/events.ts';
import type { VmShape } from '../../../protocol/vm.ts';
import { checkVmName } from '../../../protocol/vm-name.ts';
import { overlaySize } from '../../overlay-size.ts';
import type { GuestArch } from '../../ports/images/guest-arch.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { DriverFeature, VmDriver } from '../../ports/vmm/driver.ts';
import type { BootSource, DriveRequest } from '../../ports/vmm/spec.ts';
import { generateVmName } from '../../rules/name-generator.ts';
import { vmNameTaken } from '../../rules/vm-name-taken.ts';
import { resolveShape, sharedCpusNotice } from '../../rules/vm-shape.ts';
import { driverOf } from '../vm-drivers.ts';
import type { BootStores, VmDefaults, VmHost, Vms } from '../world.ts';
import { bootSourceOf } from './boot-source.ts';
import { type ChosenDriver, chooseDriver, type WantedDriver } from './choose-driver.ts';
import { findImage, findKernel, wantedImage } from './find-image.ts';
import type { VmPlan } from './vm-plan.ts';

/** Least space that a new VM needs: its drives' metadata, logs, and room to boot. */
const NEW_VM_BYTES = 256 * 2 ** 20;

/** What planning a start works on. */
export type PlanWorld = BootStores & Pick<VmHost, 'drivers'>;

/**
 * Checks a request, cheapest checks first, and fills in what it leaves open. Makes nothing but the image and
 * its kernel, when they are missing and can be built or fetched.
 *
 * @throws {AppError} VM_NAME_INVALID, VM_NAME_TAKEN, VM_SHAPE_INVALID, VMM_UNKNOWN, VMM_LACKS,
 * VMM_NOT_FOUND, IMAGE_*, REGISTRY_*,
 * KERNEL_*, HOST_NO_SPACE
 */
export async function planVm(
  world: PlanWorld & Pick<Vms, 'records'> & Pick<VmHost, 'files'> & VmDefaults,
  request: CreateVmRequest,
  { purpose, signal, report }: Task & { purpose?: VmRecord['purpose'] | undefined },
): Promise<VmPlan> {
  const name = planName(world, request.name);
  const shape = resolveShape(request, world);
  const wanted = wantedImage(world.images, request.image ?? world.defaultImage, request.platform);
  // What banger makes for itself runs on any VMM.
  const asked = request.vmm ?? (purpose === undefined ? world.defaultVmm : undefined);
  const wantedDriver = { asked, needs: needsOf(request) };
  await requireDriver(world, wantedDriver, { boot: undefined, arch: wanted.arch, signal });
  await world.files.requireSpace(NEW_VM_BYTES);
  report({ event: 'spec', name, image: wanted.name, shape });
  const image = await findImage(world, wanted, { signal, report });
  const kernel = await findKernel(world, { image, chosen: request.kernel }, { signal, report });
  const boot = bootSourceOf(kernel, shape.systemOverlaySizeBytes);
  const chosen = await requireDriver(world, wantedDriver, { boot, signal });
  const overlay = overlaySize({ imageBytes: image.sizeBytes, freeBytes: shape.systemOverlaySizeBytes });
  return { name, shape, image, kernel, overlay, boot, ...chosen };
}

/**
 * As {@link planVm}, for a VM that exists.
 *
 * @throws {AppError} VMM_UNKNOWN, VMM_NOT_FOUND, IMAGE_NOT_FOUND, IMAGE_DAMAGED, KERNEL_*
 */
export async function planStart(world: PlanWorld, record: VmRecord, { signal }: Abortable): Promise<VmPlan> {
  const { name, shape } = record;
  const image = await world.images.getById(record.imageId);
  const kernel = await world.kernels.get(record.kernelName, { signal });
  const boot = bootSourceOf(kernel, shape.systemOverlaySizeBytes);
  const wanted = { asked: driverOf(world, record).name, needs: [] };
  const chosen = await requireDriver(world, wanted, { boot, signal });
  const overlay = overlaySize({ imageBytes: image.sizeBytes, freeBytes: shape.systemOverlaySizeBytes });
  return { name, shape, image, kernel, overlay, boot, ...chosen };
}

/** Says in one line that a VM shares the host's processors, when it has more virtual CPUs than those. */
export function noteSharedCpus(shape: VmShape, { host }: Pick<VmDefaults, 'host'>, report: Report): void {
  const message = sharedCpusNotice(shape, host);
  if (message !== undefined) report({ event: 'notice', message });
}

/** The drives that a plan's VM needs, in `dir`: blank or with `workBase`, or copies of `copyOf`. */
export function driveRequestOf(
  { image, kernel, overlay, shape }: VmPlan,
  {
    dir,
    copyOf,
    workBase,
  }: Pick<DriveRequest, 'dir'> & { [K in 'copyOf' | 'workBase']?: DriveRequest[K] | undefined },
): DriveRequest {
  return {
    dir,
    rootfsPath: image.rootfsPath,
    modulesPath: kernel.modulesPath,
    overlayBytes: overlay.overlayBytes,
    diskSizeBytes: shape.diskSizeBytes,
    ...(copyOf ? { copyOf } : {}),
    ...(workBase ? { workBase } : {}),
  };
}

/** What the VM of a request needs of its VMM. */
function needsOf({ network, nat }: CreateVmRequest): DriverFeature[] {
  return nat || (network && network.mode !== 'none') ? ['network'] : [];
}

/** @throws {AppError} as {@link chooseDriver}. */
async function requireDriver(
  { drivers }: Pick<VmHost, 'drivers'>,
  wanted: WantedDriver,
  { boot, ...options }: Abortable & { boot: BootSource | undefined; arch?: GuestArch },
): Promise<ChosenDriver> {
  return await chooseDriver(drivers, wanted, (driver: VmDriver) => driver.probe(boot, options));
}

function planName(world: Pick<Vms, 'records'>, wanted: string | undefined): string {
  const taken = new Set(world.records.list().map((record) => record.name));
  if (wanted === undefined) return generateVmName((name) => taken.has(name));
  checkVmName(wanted);
  if (!taken.has(wanted)) return wanted;
  throw vmNameTaken(wanted);
}

import { AppError } from '../../../base/errors.ts';
import type { BootSource, DriveSpec, VmSpec } from '../../../core/ports/vmm/spec.ts';
import { pathForFirecracker, runtimeFiles } from './runtime-files.ts';

/** A request to Firecracker's API. */
export interface ApiRequest {
  method: 'PUT' | 'PATCH';
  path: string;
  body: Readonly<Record<string, unknown>>;
}

/** The port of the guest's vsock at which its agent listens (`docs/agent-protocol.md`). */
export const AGENT_PORT = 1024;

/** The context id of every guest. Each VMM has a vsock of its own, so that they need not differ. */
const GUEST_CID = 3;

/** Most virtual CPUs of a VM. */
const MOST_VCPUS = 32;

/**
 * The requests that configure and start a VM, in the order in which they have to be sent. A pure function;
 * the paths of `spec` must be absolute. Drives have no serials under Firecracker: the guest finds them by
 * their order.
 *
 * @throws {AppError} VMM_START_FAILED when Firecracker cannot run such a VM.
 */
export function bootRequests(spec: VmSpec): ApiRequest[] {
  requireRunnable(spec);
  const { bootSource, drives, runtimeDir, vcpuCount, memoryMib } = spec;
  return [
    put('/machine-config', { vcpu_count: vcpuCount, mem_size_mib: memoryMib, track_dirty_pages: false }),
    put('/boot-source', {
      kernel_image_path: bootSource.vmlinuxPath,
      initrd_path: bootSource.initrdPath,
      boot_args: kernelCommandLine(spec),
    }),
    ...drives.map(driveRequest),
    put('/entropy', {}),
    put('/vsock', {
      guest_cid: GUEST_CID,
      uds_path: pathForFirecracker(runtimeFiles(runtimeDir).vsockSocket),
    }),
    put('/actions', { action_type: 'InstanceStart' }),
  ];
}

/** The request that pauses a guest, or lets it run again. */
export function stateRequest(state: 'Paused' | 'Resumed'): ApiRequest {
  return { method: 'PATCH', path: '/vm', body: { state } };
}

/** The request that puts another file below a drive of a running guest. */
export function replaceRequest({ serial, pathOnHost }: DriveSpec): ApiRequest {
  return {
    method: 'PATCH',
    path: `/drives/${serial}`,
    body: { drive_id: serial, path_on_host: pathOnHost },
  };
}

/** The kernel command line: what this machine needs, then the caller's words, which take precedence. */
function kernelCommandLine({ bootSource, drives }: Pick<VmSpec, 'bootSource' | 'drives'>): string {
  return [
    'console=ttyS0',
    'quiet',
    // A guest that restarts or panics ends its VMM; one that turns its machine off only halts.
    ...['panic=-1', 'reboot=k', 'banger.end=restart'],
    ...['random.trust_cpu=on', 'cryptomgr.notests'],
    // The devices that this machine does not have are not looked for.
    ...['8250.nr_uarts=1', 'i8042.noaux', 'i8042.nomux', 'i8042.dumbkbd'],
    'banger.agent=vsock',
    ...(drives.length === 0 ? [] : [`banger.drives=${drives.map(({ serial }) => serial).join(',')}`]),
    ...bootSource.bootArgs,
  ].join(' ');
}

/**
 * With `Writeback`, a flush of the guest reaches the host's disk. The default ignores flushes.
 */
function driveRequest({ serial, pathOnHost, isReadOnly }: DriveSpec): ApiRequest {
  return put(`/drives/${serial}`, {
    drive_id: serial,
    path_on_host: pathOnHost,
    // The initramfs makes the root.
    is_root_device: false,
    is_read_only: isReadOnly,
    cache_type: 'Writeback',
  });
}

function put(path: string, body: ApiRequest['body']): ApiRequest {
  return { method: 'PUT', path, body };
}

/** Why Firecracker cannot boot a kernel; `undefined` when it can. */
export function reasonAgainstKernel({ vmlinuxPath }: BootSource): string | undefined {
  return vmlinuxPath === undefined
    ? 'Firecracker boots only an ELF file, and banger has none of this kernel'
    : undefined;
}

function requireRunnable({ vmId, vmName = vmId, vcpuCount, bootSource, drives }: VmSpec): void {
  const other = drives.find(({ format, base }) => format !== 'raw' || base !== undefined);
  const reason =
    reasonAgainstKernel(bootSource) ??
    (vcpuCount > MOST_VCPUS
      ? `Firecracker gives a VM 1 to ${MOST_VCPUS} virtual CPUs, and it has ${vcpuCount}`
      : undefined) ??
    (other ? `Firecracker reads only raw drives, and "${other.serial}" is none` : undefined);
  if (reason === undefined) return;
  throw new AppError('VMM_START_FAILED', `Cannot start vm "${vmName}": ${reason}`, { details: { vmId } });
}

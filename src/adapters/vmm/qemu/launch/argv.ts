import type { DriveSpec, VmSpec } from '../../../../core/ports/vmm/spec.ts';
import { MACHINES } from '../machine/machines.ts';
import type { QemuHost } from '../qemu-host.ts';
import { pathForQemu, runtimeFiles } from '../runtime-files.ts';
import { blockNode, FILTER_ARGS } from './block-nodes.ts';
import { kernelCommandLine } from './boot-args.ts';
import { BUILT_IN_NETWORK, GUEST_MAC, HUB } from './qemu-network.ts';

/** Name of the guest's port on which its agent listens (`docs/agent-protocol.md`). */
const AGENT_PORT_NAME = 'banger.agent.0';

/** Forbids gaining privileges, starting programs and obsolete system calls. */
const SECCOMP = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny';

/** Name of the guest's memory, also in saved guests. */
export const MEMORY_ID = 'memory';

/**
 * Size of the cache of translated code, in `MiB`. QEMU's own default is an eighth of the host's memory, for
 * each VM. A VM uses as much as it has translated: 20 MiB when idle, all of it after compiling something.
 * When the cache is full, QEMU discards all of it and translates again. Compiling takes 1.2 times the
 * processor time with 32 MiB, 3 to 4 times with 16, and 0.9 times with 128.
 */
const TRANSLATION_CACHE_MIB = 64;

/**
 * How a VMM gets its guest:
 *
 * - `boot`: the kernel starts
 * - `restore`: the guest in `memoryPath` resumes. Its device state comes over file descriptor 0, and nothing
 *   is
 * written to the memory file
 */
export type StartMode =
  | { kind: 'boot' }
  | { kind: 'restore'; memoryPath: string; hasBuiltInNetwork?: boolean | undefined };

/**
 * Files that QEMU finds open from descriptor 3 on, instead of opening them itself: first the sockets of
 * {@link givenSockets}, then its console.
 */
export interface GivenFiles {
  sockets?: boolean;
  /** only together with the sockets */
  console?: boolean;
}

/** Paths of the sockets that QEMU finds open. */
export function givenSockets({ runtimeDir }: Pick<VmSpec, 'runtimeDir'>): [string, string] {
  const { qmpSocket, agentSocket } = runtimeFiles(runtimeDir);
  return [pathForQemu(qmpSocket), pathForQemu(agentSocket)];
}

/** stdin, stdout and stderr are 0 to 2 */
const GIVEN_FD = { qmp: 3, agent: 4, console: 5 } as const;

function socketChardev(id: 'qmp' | 'agent', runtimeDir: string, { sockets }: GivenFiles): string {
  const path = givenSockets({ runtimeDir })[id === 'qmp' ? 0 : 1];
  const place = sockets ? `fd=${GIVEN_FD[id]}` : `path=${escaped(path)}`;
  return `socket,id=${id},${place},server=on,wait=off`;
}

/**
 * The command line that runs `spec` in the working folder `spec.runtimeDir`. A pure function; paths must be
 * absolute. Devices use virtio-mmio, which needs no PCI bus and no firmware. They are the same in all modes,
 * because a guest can only resume with the devices that it had.
 */
export function qemuArgv(
  spec: VmSpec,
  host: QemuHost,
  mode: StartMode = { kind: 'boot' },
  given: GivenFiles = {},
): [string, ...string[]] {
  return [
    host.binary,
    ...['-name', `guest=${escaped(guestName(spec.vmId))},debug-threads=on`],
    ...processArgs(spec, given),
    ...machineArgs(spec, host, mode),
    ...memoryArgs(spec, mode),
    ...(mode.kind === 'restore' ? ['-incoming', 'defer'] : []),
    ...bootSourceArgs(spec, host),
    ...consoleArgs(spec, given),
    ...agentArgs(spec, given),
    ...['-device', 'virtio-rng-device'],
    ...FILTER_ARGS,
    ...spec.drives.flatMap(driveArgs),
    ...networkArgs(mode),
  ];
}

/**
 * Whether a rebooting guest is reset instead of ending its QEMU, until `BootWatch` decides otherwise: the
 * kernel of some emulated machines may notice during boot that its timer does not work (docs/guest-boot.md,
 * "The timer of an emulated processor").
 */
export function mayRestart(
  { accelerator }: Pick<VmSpec, 'accelerator'>,
  { arch }: Pick<QemuHost, 'arch'>,
  mode: StartMode = { kind: 'boot' },
): boolean {
  return mode.kind === 'boot' && accelerator === 'tcg' && MACHINES[arch].mayLackTimer;
}

/** The name by which QEMU reports which VM it runs. */
export function guestName(vmId: string): string {
  return `banger-${vmId}`;
}

function processArgs({ runtimeDir }: VmSpec, given: GivenFiles): string[] {
  const { pidFile } = runtimeFiles(runtimeDir);
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-msg', 'timestamp=on'],
    ...['-sandbox', SECCOMP],
    ...['-pidfile', pidFile],
    ...['-chardev', socketChardev('qmp', runtimeDir, given)],
    ...['-mon', 'chardev=qmp,mode=control'],
  ];
}

function machineArgs(
  { accelerator, vcpuCount, memoryMib }: VmSpec,
  host: QemuHost,
  mode: StartMode,
): string[] {
  const { options, emulatedCpu } = MACHINES[host.arch];
  const machine = `${host.machine},${options}`;
  const acceleration =
    accelerator === 'kvm'
      ? ['-accel', 'kvm', '-cpu', 'host']
      : ['-accel', `tcg,thread=multi,tb-size=${TRANSLATION_CACHE_MIB}`, '-cpu', emulatedCpu];
  return [
    ...['-machine', `${machine},dump-guest-core=off,memory-backend=${MEMORY_ID}`],
    ...acceleration,
    ...['-smp', `cpus=${vcpuCount},sockets=1,cores=${vcpuCount},threads=1`],
    ...['-m', `size=${memoryMib}M`],
    // A guest that reboots or panics ends its VMM: from the start, or once it has booted (`boot-watch.ts`).
    ...(mayRestart({ accelerator }, host, mode) ? [] : ['-no-reboot']),
    // virtio 1.0 instead of the legacy draft.
    ...['-global', 'virtio-mmio.force-legacy=false'],
  ];
}

/**
 * The guest's memory. Its id is saved with a guest, so it is always the same. A restored guest's pages are
 * read as the guest touches them; what it writes stays private to its VMM.
 */
function memoryArgs({ memoryMib }: VmSpec, mode: StartMode): string[] {
  const size = `id=${MEMORY_ID},size=${memoryMib}M,dump=off`;
  if (mode.kind === 'boot') return ['-object', `memory-backend-ram,${size}`];
  return ['-object', `memory-backend-file,${size},mem-path=${escaped(mode.memoryPath)},share=off`];
}

function bootSourceArgs(spec: VmSpec, host: QemuHost): string[] {
  return [
    ...['-kernel', MACHINES[host.arch].kernelFile(spec.bootSource)],
    ...['-initrd', spec.bootSource.initrdPath],
    ...['-append', kernelCommandLine(spec, host)],
  ];
}

function consoleArgs({ consoleLogPath }: VmSpec, given: GivenFiles): string[] {
  const path = given.console ? '/dev/fdset/1' : escaped(consoleLogPath);
  return [
    ...(given.console ? ['-add-fd', `fd=${GIVEN_FD.console},set=1`] : []),
    ...['-chardev', `file,id=console,path=${path},append=on`, '-serial', 'chardev:console'],
  ];
}

function agentArgs({ runtimeDir }: VmSpec, given: GivenFiles): string[] {
  return [
    ...['-device', 'virtio-serial-device,id=serial0,max_ports=2'],
    ...['-chardev', socketChardev('agent', runtimeDir, given)],
    ...['-device', `virtserialport,id=agent,bus=serial0.0,nr=1,chardev=agent,name=${AGENT_PORT_NAME}`],
  ];
}

/**
 * The same device for every VM, so that any VM can be restored from any template; `qemu-network.ts` decides
 * what it is connected to.
 */
function networkArgs(mode: StartMode): string[] {
  return [
    ...['-netdev', `hubport,id=${HUB.nic},hubid=${HUB.number}`],
    ...['-netdev', `hubport,id=${HUB.sink},hubid=${HUB.number}`],
    ...['-device', `virtio-net-device,id=net0,netdev=${HUB.nic},mac=${GUEST_MAC}`],
    ...(mode.kind === 'restore' && mode.hasBuiltInNetwork
      ? BUILT_IN_NETWORK.flatMap((option) => ['-netdev', option])
      : []),
  ];
}

function driveArgs(drive: DriveSpec): string[] {
  const { serial } = drive;
  const device = { driver: 'virtio-blk-device', id: `drive-${serial}`, drive: serial, serial };
  return ['-blockdev', JSON.stringify(blockNode(drive)), '-device', JSON.stringify(device)];
}

/** Escapes a value for one of QEMU's `key=value,...` options. */
export function escaped(value: string): string {
  return value.replaceAll(',', ',,');
}

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProbeResult } from '../../../src/adapters/vmm/kvm/kvm.ts';
import { type ProbeBoot, probeBoot } from '../../../src/adapters/vmm/qemu/probe-boot.ts';
import { runtimeFiles } from '../../../src/adapters/vmm/qemu/runtime-files.ts';
import { isAppError, isErrno } from '../../../src/base/errors.ts';
import type { VmmProcess } from '../../../src/core/ports/vmm/running-vm.ts';
import type { CaptureRequest } from '../../../src/core/ports/vmm/saving.ts';
import type { DriveRequest, VmSpec } from '../../../src/core/ports/vmm/spec.ts';
import { patient } from '../../support/patience.ts';
import { type DriverOptions, makeDriver } from './drivers.ts';
import { askGuest } from './test-guest.ts';

// What tests do in a separate process (run-task.ts) that is killed, has another user, or sees other mounts.
// The process prints what the task returns.

export { tryNetwork } from './network-task.ts';

/** A VM to be started with a driver. */
export interface StartTask {
  driver: DriverOptions;
  spec: VmSpec;
}

/** Starts a VM, which keeps the process alive. */
export async function start({ driver, spec }: StartTask): Promise<VmmProcess> {
  const { vmm } = await makeDriver(driver).start(spec, limit());
  return vmm;
}

/** Starts a VM and detaches from it. The process ends by itself if nothing keeps it alive. */
export async function startAndDetach({ driver, spec }: StartTask): Promise<VmmProcess> {
  const vm = await makeDriver(driver).start(spec, limit());
  vm.detach();
  vm.detach();
  return vm.vmm;
}

/** Adopts a VM and copies it. The process is killed in the middle of that. */
export async function captureAndDie({
  driver,
  request,
  waitMs,
}: {
  driver: DriverOptions;
  request: CaptureRequest;
  waitMs: number;
}): Promise<void> {
  const vm = await makeDriver(driver).adopt(request.spec, limit());
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), waitMs);
  await vm?.capture(request, limit());
  // The copy was quicker than the kill.
  await new Promise(() => {});
}

/** The result of a boot with drives. */
export interface BootFacts {
  drives: string;
  clock: string;
  /** proc(5) /proc/PID/status of the VMM */
  status: string;
  isSessionLeader: boolean;
}

/** Makes drives, boots a VM on them, and asks its guest and the host's kernel what they see. */
export async function bootAndAsk({
  driver,
  spec,
  request,
}: StartTask & { request: DriveRequest }): Promise<BootFacts> {
  const made = makeDriver(driver);
  const drives = await made.prepareDrives(request, limit());
  const vm = await made.start({ ...spec, drives }, limit());
  const facts = {
    drives: await askGuest(vm.guestEndpoint, 'drives', limit()),
    clock: await askGuest(vm.guestEndpoint, 'clock', limit()),
    status: readFileSync(`/proc/${vm.vmm.pid}/status`, 'utf8'),
    isSessionLeader: sessionOf(vm.vmm.pid) === vm.vmm.pid,
  };
  await vm.kill();
  return facts;
}

function sessionOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[3]);
}

/** Begins a test boot. The process is killed in the middle of it, as soon as the VMM has started. */
export async function probeAndDie(probe: ProbeBoot): Promise<ProbeResult> {
  const { pidFile } = runtimeFiles(probe.dir);
  setInterval(() => {
    if (existsSync(pidFile)) process.kill(process.pid, 'SIGKILL');
  }, 5).unref();
  return await probeBoot(probe, limit());
}

/** The outcome of preparing drives without enough space. */
export interface NoSpaceOutcome {
  code: string;
  message?: string;
  details?: Readonly<Record<string, unknown>> | undefined;
  /** files that are left in the VM's folder and where it was full */
  left: string[];
}

/** Prepares drives while the file system `fullDir` is full; needs its own mount namespace. */
export async function prepareWithoutSpace({
  driver,
  request,
  fullDir,
}: {
  driver: DriverOptions;
  request: DriveRequest;
  fullDir: string;
}): Promise<NoSpaceOutcome> {
  mkdirSync(fullDir, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k,mode=0700', 'tmpfs', fullDir]);
  mkdirSync(request.dir, { recursive: true });
  fill(fullDir);
  const outcome = await makeDriver(driver)
    .prepareDrives(request, limit())
    .then(
      () => ({ code: 'none' }),
      (error: unknown) =>
        isAppError(error)
          ? { code: error.code, message: error.message, details: error.details }
          : { code: String(error) },
    );
  const left = [request.dir, fullDir].flatMap((dir) => readdirSync(dir, { recursive: true }) as string[]);
  return { ...outcome, left: left.filter((name) => /\.(qcow2|raw)/.test(name)) };
}

function fill(dir: string): void {
  try {
    for (let i = 0; ; i += 1) writeFileSync(join(dir, `filler-${i}`), Buffer.alloc(16 * 1024));
  } catch (error) {
    if (!isErrno(error, 'ENOSPC')) throw error;
  }
}

function limit(): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(patient(60_000)) };
}

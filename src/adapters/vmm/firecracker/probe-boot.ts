import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Abortable, sleep } from '../../../base/abort.ts';
import { isAppError, isErrno } from '../../../base/errors.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { BootSource, VmSpec } from '../../../core/ports/vmm/spec.ts';
import { PROBE_MARKER, PROBE_MEMORY_MIB, type ProbeOutcome, type ProbeResult } from '../kvm/kvm.ts';
import { endProcess, isAlive } from '../vmm-process.ts';
import { findFirecrackers } from './find-firecracker.ts';
import { launchFirecracker } from './launch.ts';
import type { FirecrackerHost } from './launch-argv.ts';

/** A test boot and its time limit. */
export interface ProbeBoot {
  boot: BootSource;
  host: FirecrackerHost;
  env: NodeJS.ProcessEnv;
  /** folder of this probe alone; its content is deleted */
  dir: string;
  deadlineMs: number;
}

const LOOK_EVERY_MS = 10;

/**
 * Boots the kernel with the command line of a VM but without drives, and reports how far it came. Leaves no
 * process and no file; first removes what a killed earlier probe left.
 */
export async function probeBoot(
  { boot, host, env, dir, deadlineMs }: ProbeBoot,
  { signal }: Abortable,
): Promise<ProbeResult> {
  const spec = probeSpec(boot, dir);
  for (const { vmm } of await findFirecrackers(spec)) await endProcess(vmm, { graceMs: 0 });
  await rm(dir, { recursive: true, force: true });
  await using undo = new ResourceStack();
  undo.defer(`remove "${dir}"`, () => rm(dir, { recursive: true, force: true }));
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const begunAt = performance.now();
  const result = (outcome: ProbeOutcome): ProbeResult => ({ outcome, deadlineMs });
  try {
    const { vmm } = await launchFirecracker(spec, { host, env, signal });
    undo.defer(`kill process ${vmm.pid}`, () => endProcess(vmm, { graceMs: 0 }));
    for (;;) {
      // In this order, because output before the end still counts.
      const isOver = !(await isAlive(vmm));
      if ((await textOf(spec.consoleLogPath)).includes(PROBE_MARKER)) return result('reached');
      if (isOver) return result('ended');
      if (performance.now() - begunAt >= deadlineMs) return result('late');
      await sleep(LOOK_EVERY_MS, { signal });
    }
  } catch (error) {
    signal.throwIfAborted();
    if (isAppError(error, 'VMM_START_FAILED')) return result('ended');
    throw error;
  }
}

function probeSpec(boot: BootSource, dir: string): VmSpec {
  return {
    vmId: 'probe',
    vcpuCount: 1,
    memoryMib: PROBE_MEMORY_MIB,
    accelerator: 'kvm',
    bootSource: { ...boot, bootArgs: [...boot.bootArgs, 'banger.mode=probe'] },
    drives: [],
    network: { mode: 'none' },
    runtimeDir: dir,
    consoleLogPath: join(dir, 'console.log'),
    vmmLogPath: join(dir, 'vmm.log'),
  };
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  }
}

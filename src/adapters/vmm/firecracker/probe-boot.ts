import { mkdir, rm } from 'node:fs/promises';
import { type Abortable, sleep } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { BootSource } from '../../../core/ports/vmm/spec.ts';
import type { ProbeOutcome, ProbeResult } from '../kvm/kvm.ts';
import { hasReachedInitramfs, probeSpec } from '../kvm/probe-guest.ts';
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
  const spec = probeSpec({ boot, accelerator: 'kvm', dir });
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
      if (await hasReachedInitramfs(spec)) return result('reached');
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

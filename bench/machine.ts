import { cpus, release, totalmem } from 'node:os';
import type { Abortable } from '../src/base/abort.ts';
import { exec } from '../src/base/process/exec.ts';

/** The machine and the versions that figures belong to, as one line. */
export async function describeMachine({
  vmm,
  accelerator,
  signal,
}: Abortable & { vmm: string; accelerator: string }): Promise<string> {
  const { stdout } = await exec(['qemu-img', '--version'], { signal });
  const qemu = /version (\S+)/.exec(stdout.toString('utf8'))?.[1] ?? 'unknown';
  const [cpu] = cpus();
  return [
    `${cpus().length} × ${cpu?.model.trim() ?? 'unknown CPU'}`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Linux ${release()}`,
    `Node ${process.versions.node}`,
    `QEMU ${qemu}`,
    `VMs by ${vmm} with ${accelerator}`,
  ].join(', ');
}

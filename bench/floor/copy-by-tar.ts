import { mkdir } from 'node:fs/promises';
import type { Abortable } from '../../src/base/abort.ts';
import { exec, execStream } from '../../src/base/process/exec.ts';

/** Copies a folder to a new one on this host, through a pipe between two programs. */
export async function copyByTar(from: string, to: string, { signal }: Abortable): Promise<void> {
  await mkdir(to);
  const { stdout, done } = execStream(['tar', '-C', from, '-cf', '-', '.'], { signal });
  await exec(['tar', '-C', to, '-xf', '-'], { input: stdout, signal });
  await done;
}

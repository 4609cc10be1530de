import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exec } from '../../../src/base/process/exec.ts';

/** What the stand-in for Firecracker plays. */
export interface FirecrackerPlay {
  /** the command line of its guest, which listens on the socket `SOCKET`; absent: its vsock echoes */
  guestArgv?: readonly string[];
  /** requests that it refuses: `PUT /vsock` */
  faults?: readonly string[];
}

/** Builds the stand-in for Firecracker (`firecracker/main.go`) into `dir` and returns its path. */
export async function buildFirecracker(
  dir: string,
  { guestArgv, faults = [] }: FirecrackerPlay = {},
): Promise<string> {
  const path = join(dir, 'firecracker');
  const env = { ...process.env, CGO_ENABLED: '0' };
  const cwd = join(import.meta.dirname, 'firecracker');
  const signal = AbortSignal.timeout(120_000);
  await exec(['go', 'build', '-trimpath', '-buildvcs=false', '-o', path, '.'], { cwd, env, signal });
  if (guestArgv) await writeFile(`${path}.guest`, JSON.stringify(guestArgv));
  await writeFile(`${path}.faults`, faults.join('\n'));
  return path;
}

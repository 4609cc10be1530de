import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectQmp } from '../../../src/adapters/vmm/qemu/qmp/qmp-client.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import { findProgram } from '../../../src/base/programs.ts';
import { type Environment, processEnvironment } from '../../../src/config/settings.ts';

const signal = neverAborts();

/** Control connections to QEMU of somebody else than the daemon. */
export interface OwnMonitor {
  /** for the daemon: its QEMU is found first on this PATH */
  env: Environment;
  /** Runs a command in the QEMU that was started last. */
  run: (command: 'stop' | 'cont') => Promise<void>;
}

/** Puts a QEMU into `dir` that also listens for a second control connection there: the daemon holds the first. */
export async function ownMonitor(dir: string): Promise<OwnMonitor> {
  const bin = join(dir, 'bin');
  const socket = join(dir, 'own.sock');
  const env = processEnvironment();
  await mkdir(bin);
  for (const name of ['qemu-system-x86_64', 'qemu-system-aarch64']) {
    const real = await findProgram(name, env);
    if (!real) continue;
    // What only asks it what it is has no VM to control.
    const script = `#!/bin/sh
case "$*" in *guest=*|*-name*) exec "${real}" "$@" -qmp "unix:${socket},server=on,wait=off";; esac
exec "${real}" "$@"
`;
    await writeFile(join(bin, name), script);
    await chmod(join(bin, name), 0o755);
  }
  return {
    env: { PATH: `${bin}:${env['PATH'] ?? ''}` },
    async run(command) {
      using qmp = await connectQmp(socket, { signal });
      await qmp.execute(command, {}, { signal });
    },
  };
}

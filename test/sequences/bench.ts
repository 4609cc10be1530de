import { join } from 'node:path';
import { type Abortable, neverAborts, withDeadline } from '../../src/base/abort.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { type BangerClient, createClient } from '../../src/sdk/client.ts';
import type { Lab } from '../e2e/support/lab.ts';
import { type DiskReader, openDiskReader } from './disks.ts';
import type { GuestCommand } from './guest-commands.ts';

/**
 * What sequences use: the built program and its daemon, a client of the same daemon for queries, and a reader
 * of disks.
 */
export interface Bench {
  lab: Lab;
  client: BangerClient;
  disks: DiskReader;
}

const FREE_BYTES = 256 * 2 ** 20;
const IMAGE = 'debian-bookworm';

/** `ms` for a command in a guest, which takes a fraction of a second on an idle host. */
const COMMAND_DEADLINE_MS = 120_000;

/** Opens a bench in a lab, which the caller continues to own. */
export async function openBench(lab: Lab): Promise<Bench> {
  const rootfsPath = join(lab.paths.imagesDir, IMAGE, 'rootfs.ext4');
  return {
    lab,
    client: createClient({ socketPath: lab.paths.daemonSocket }),
    disks: await openDiskReader({ scratch: join(lab.scratch, 'disks'), rootfsPath, freeBytes: FREE_BYTES }),
  };
}

/** Starts the daemon, as any command does, if it does not run. */
export async function wakeDaemon({ lab }: Bench): Promise<void> {
  await lab.text(['vm', 'list']);
}

export async function listVms({ client }: Bench): Promise<Vm[]> {
  return await client.listVms({ isAll: true, signal: neverAborts() });
}

/**
 * Runs a command in a VM, with `input` as its stdin, and returns its stdout. Fails unless it exits with
 * status 0.
 */
export async function inGuest(
  { client }: Bench,
  { vm, argv, input }: { vm: string; argv: GuestCommand; input?: Buffer },
): Promise<Buffer> {
  const work = async (options: Abortable): Promise<Buffer> => {
    using session = await client.exec(vm, { argv }, options);
    if (input) await session.write(input);
    const { stdout, stderr, exit } = await session.collect();
    if ('code' in exit && exit.code === 0) return stdout;
    throw new Error(`"${argv.join(' ')}" in ${vm} ended with ${JSON.stringify(exit)}: ${stderr.toString()}`);
  };
  return await withDeadline((signal) => work({ signal }), {
    signal: neverAborts(),
    deadlineMs: COMMAND_DEADLINE_MS,
    what: `a command in ${vm}`,
  });
}

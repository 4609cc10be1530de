import { cp, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Abortable, poll } from '../../src/base/abort.ts';
import { invariant } from '../../src/base/errors.ts';
import { spawnDetached } from '../../src/base/process/exec.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { endChild } from '../end-child.ts';
import { runTrue } from './guest-command.ts';
import { connectWhenThere, openQmp, type Qmp } from './qmp.ts';

/** A saved guest, and the command line of a VMM that can restore it. */
export interface SavedGuest {
  argv: readonly string[];
  memoryPath: string;
  statePath: string;
  /**
   * copies of its writable drives, by the names of the originals; copied again for each restored guest
   */
  drivesDir: string;
}

/** A QEMU that restores a saved guest without banger. */
export interface BareRestored {
  qmp: Qmp;
  /** folder for its sockets */
  dir: string;
}

/** What {@link restoreFloorMs} is, for a table. */
export const RESTORE_FLOOR = 'the same saved guest in a bare QEMU: process, restore, handshake, `true`';

const RESTORE_DEADLINE_MS = 20_000;

/** The template that `vm` came from. The VM runs, and was not booted cold. */
export async function templateOf(vm: Vm, { dir }: { dir: string }): Promise<SavedGuest> {
  const argv = await commandLineOf(vm);
  const memoryPath = memoryPathIn(argv);
  const from = dirname(memoryPath);
  const drivesDir = await mkdtemp(join(dir, 'drives-'));
  for (const path of writtenDrives(argv))
    await cp(join(from, basename(path)), join(drivesDir, basename(path)));
  return { argv, memoryPath, statePath: join(from, 'state'), drivesDir };
}

/**
 * Describes a suspended VM, which must stay suspended meanwhile. Its memory and state are in `folder`; `argv`
 * is the command line of its last VMM.
 */
export async function suspendedGuest(
  argv: readonly string[],
  { folder, dir }: { folder: string; dir: string },
): Promise<SavedGuest> {
  const drivesDir = await mkdtemp(join(dir, 'drives-'));
  for (const path of writtenDrives(argv)) await cp(path, join(drivesDir, basename(path)));
  return { argv, memoryPath: join(folder, 'memory'), statePath: join(folder, 'state'), drivesDir };
}

/** The file that the guest of such a command line has its memory from; it was not booted. */
export function memoryPathIn(argv: readonly string[]): string {
  const path = /mem-path=([^,]+)/.exec(argv.find((one) => one.includes('mem-path=')) ?? '')?.[1];
  invariant(path, 'a VM that was not booted has its memory from a file');
  return path;
}

/** The command line of a VM's VMM, which runs. */
export async function commandLineOf({ runtime }: Vm): Promise<string[]> {
  invariant(runtime, 'the VM to compare with runs');
  return (await readFile(`/proc/${runtime.pid}/cmdline`, 'utf8')).split('\0').slice(0, -1);
}

/**
 * `ms` from the start of QEMU to the end of `true` in the guest, in all of `count` that start at once.
 * Copying their drives before is not counted, nor is their end.
 */
export async function restoreFloorMs(
  guest: SavedGuest,
  { count = 1, ...options }: Abortable & { dir: string; count?: number },
): Promise<number> {
  const prepared: Prepared[] = [];
  while (prepared.length < count) prepared.push(await prepare(guest, options));
  const begun = performance.now();
  const took = prepared.map((one) => whilePreparedRuns(one, options, async () => performance.now() - begun));
  return Math.max(...(await Promise.all(took)));
}

/** Restores a saved guest, runs `true` in it, calls `use` with its QEMU, and then kills it. */
export async function whileRestored<T>(
  guest: SavedGuest,
  options: Abortable & { dir: string },
  use: (restored: BareRestored) => Promise<T>,
): Promise<T> {
  return await whilePreparedRuns(await prepare(guest, options), options, use);
}

interface Prepared {
  argv: [string, ...string[]];
  statePath: string;
  dir: string;
}

async function prepare(guest: SavedGuest, { dir: parent }: { dir: string }): Promise<Prepared> {
  const dir = await mkdtemp(join(parent, 'f-'));
  await cp(guest.drivesDir, join(dir, 'd'), { recursive: true });
  return { argv: ownArgv(guest, dir), statePath: guest.statePath, dir };
}

async function whilePreparedRuns<T>(
  { argv, statePath, dir }: Prepared,
  { signal }: Abortable,
  use: (restored: BareRestored) => Promise<T>,
): Promise<T> {
  await using state = await open(statePath, 'r');
  await using log = await open(join(dir, 'log'), 'w');
  const child = await spawnDetached(argv, { inputFd: state.fd, outputFd: log.fd });
  try {
    using qmp = await openQmp(join(dir, 'q'), { signal });
    const agent = await connectWhenThere(join(dir, 'a'), { signal });
    await qmp.execute('migrate-incoming', { uri: 'fd:0' });
    const hasArrived = async (): Promise<true | undefined> => {
      const { status } = (await qmp.execute('query-status')) as { status: string };
      return status === 'inmigrate' ? undefined : true;
    };
    await poll(hasArrived, { everyMs: 1, deadlineMs: RESTORE_DEADLINE_MS, what: 'a saved guest', signal });
    await qmp.execute('cont');
    await runTrue(agent, { signal });
    return await use({ qmp, dir });
  } finally {
    await endChild(child);
    await rm(dir, { recursive: true, force: true });
  }
}

/** The same command line with own files and sockets in `dir`, and without descriptors of its starter. */
function ownArgv({ argv: all, memoryPath }: SavedGuest, dir: string): [string, ...string[]] {
  const argv = all.filter((word, at) => word !== '-add-fd' && all[at - 1] !== '-add-fd');
  const own = argv.map((word, at) => {
    switch (argv[at - 1]) {
      case '-pidfile':
        return join(dir, 'p');
      case '-name':
        return 'guest=floor';
      case '-chardev':
        return word
          .replace(/^(socket,id=qmp,)(path|fd)=[^,]+/, `$1path=${join(dir, 'q')}`)
          .replace(/^(socket,id=agent,)(path|fd)=[^,]+/, `$1path=${join(dir, 'a')}`)
          .replace(/^(file,id=console,)path=[^,]+/, `$1path=${join(dir, 'console')}`);
      case '-object':
        return word.replace(/mem-path=[^,]+/, `mem-path=${memoryPath}`);
      case '-blockdev':
        return isWritten(word) ? ownDrive(word, join(dir, 'd')) : word;
      default:
        return word;
    }
  });
  const [program, ...rest] = own;
  invariant(program, 'a process has a name');
  return [program, ...rest];
}

type Node = { driver?: string; filename?: string; 'read-only'?: boolean; file?: Node | string };

/** The node with another file for what it writes to. */
function ownDrive(word: string, dir: string): string {
  const node = JSON.parse(word) as Node;
  const file = writtenFile(node);
  invariant(file?.filename, 'a drive that is written to has a file');
  file.filename = join(dir, basename(file.filename));
  return JSON.stringify(node);
}

function writtenDrives(argv: readonly string[]): string[] {
  return argv.flatMap((word, at) =>
    argv[at - 1] === '-blockdev' ? (writtenFile(JSON.parse(word))?.filename ?? []) : [],
  );
}

function isWritten(word: string): boolean {
  return writtenFile(JSON.parse(word) as Node) !== undefined;
}

/** The node of the file below `node` that its VMM writes to. */
function writtenFile(node: Node): Node | undefined {
  if (node.driver === 'file') return node['read-only'] ? undefined : node;
  return typeof node.file === 'object' ? writtenFile(node.file) : undefined;
}

import { readdir, readFile, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { neverAborts, poll } from '../../src/base/abort.ts';
import { isErrno } from '../../src/base/errors.ts';
import type { Lab } from '../e2e/support/lab.ts';

/** `ms` for demand to end, and for a pool VM to be made on a busy host. */
const ALONE_DEADLINE_MS = 90_000;

/**
 * Everything that a daemon and its VMs may leave on the host. The names allow a comparison of two counts.
 */
export interface HostCounts {
  /** open file descriptors of the daemon: `socket`, `pipe`, `anon_inode:[eventpoll]`, or the file's path */
  daemonFds: string[];
  /** files, folders and sockets below the folders of the daemon */
  files: string[];
  /** processes that a command or the daemon has started, except the daemon itself */
  processes: string[];
  /** paths of Unix sockets that a process holds open */
  unixSockets: string[];
  /** ports on which the daemon or a VMM listens, or has bound UDP */
  ports: string[];
  /** VMs, and operations in progress */
  records: string[];
}

/**
 * Counts everything except the pool VM. Waits until there is one first, and no other: so it is when nothing
 * was started for a while. The only effect is the connection of the command that lists the records.
 */
export async function countHost(lab: Lab): Promise<HostCounts> {
  const one = async (): Promise<string | undefined> => {
    const [vmId, ...others] = await lab.poolVmIds();
    return others.length === 0 ? vmId : undefined;
  };
  const waiting = { everyMs: 500, deadlineMs: ALONE_DEADLINE_MS, what: 'one pool VM', signal: neverAborts() };
  const poolVmId = await poll(one, waiting);
  const isCounted = (path: string): boolean => !path.includes(poolVmId);
  const daemon = await lab.daemonPid();
  const vms = JSON.parse(await lab.text(['vm', 'list', '--all', '--json'])) as { name: string }[];
  const operations = JSON.parse(await lab.text(['operations', 'list', '--json'])) as {
    id: string;
    kind: string;
    endedAt?: string;
  }[];
  const processes = (await processesOf(lab.scratch)).filter(({ argv }) => isCounted(argv));
  return {
    daemonFds: await descriptorsOf(daemon, lab.scratch),
    files: (await filesBelow(lab.scratch)).filter(isCounted).map((path) => relative(lab.scratch, path)),
    processes: processes
      .filter(({ pid }) => pid !== daemon)
      .map(({ pid, argv }) => `${programOf(argv)} (${pid})`),
    unixSockets: (await unixSocketsBelow(lab.scratch)).filter(isCounted),
    ports: await portsOf([daemon, ...processes.map(({ pid }) => pid)]),
    records: [
      ...vms.map(({ name }) => `vm ${name}`),
      ...operations.filter(({ endedAt }) => endedAt === undefined).map(({ kind, id }) => `${kind} ${id}`),
    ],
  };
}

/**
 * The items in `after` but not in `before`, by kind; of equal names only the surplus.
 */
export function whatIsNew(before: HostCounts, after: HostCounts): string[] {
  return (Object.keys(after) as (keyof HostCounts)[]).flatMap((kind) => {
    const known = [...before[kind]];
    const added = after[kind].filter((name) => {
      const index = known.indexOf(name);
      if (index < 0) return true;
      known.splice(index, 1);
      return false;
    });
    return added.map((name) => `${kind}: ${name}`);
  });
}

async function descriptorsOf(pid: number, scratch: string): Promise<string[]> {
  const folder = `/proc/${pid}/fd`;
  const targets = await Promise.all((await readdir(folder)).map((fd) => ifThere(readlink(join(folder, fd)))));
  return targets
    .filter((target) => target !== undefined)
    .map((target) => (target.startsWith(scratch) ? relative(scratch, target) : target))
    .map((target) => target.replace(/^(socket|pipe):\[[0-9]+\]$/, '$1'))
    .sort();
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = (await ifThere(readdir(folder, { withFileTypes: true }))) ?? [];
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? [path, ...(await filesBelow(path))] : [path];
    }),
  );
  return found.flat().sort();
}

/**
 * Processes whose environment or command line contains the folder: everything that a command of the lab has
 * started.
 */
async function processesOf(folder: string): Promise<{ pid: number; argv: string }[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const argv = (await ifThere(readFile(`/proc/${pid}/cmdline`, 'utf8'))) ?? '';
      const env = (await ifThere(readFile(`/proc/${pid}/environ`, 'utf8'))) ?? '';
      return `${argv}\0${env}`.includes(`${folder}/`) ? [{ pid, argv }] : [];
    }),
  );
  return found.flat().filter(({ pid }) => pid !== process.pid);
}

function programOf(argv: string): string {
  return argv.split('\0').slice(0, 4).join(' ');
}

/** proc_net_unix(5): the path is the last field. */
async function unixSocketsBelow(folder: string): Promise<string[]> {
  const lines = (await readFile('/proc/net/unix', 'utf8')).split('\n');
  return lines
    .map((line) => line.split(/\s+/)[7] ?? '')
    .filter((path) => path.startsWith(`${folder}/`))
    .map((path) => relative(folder, path))
    .sort();
}

/** Of proc_net_tcp(5): state 0A listens; 07 is a UDP socket that has a port. */
async function portsOf(pids: readonly number[]): Promise<string[]> {
  const owned = new Set<string>();
  for (const pid of pids) {
    const fds = (await ifThere(readdir(`/proc/${pid}/fd`))) ?? [];
    for (const fd of fds) {
      const inode = /^socket:\[([0-9]+)\]$/.exec(
        (await ifThere(readlink(`/proc/${pid}/fd/${fd}`))) ?? '',
      )?.[1];
      if (inode) owned.add(inode);
    }
  }
  const tables = await Promise.all(
    ['tcp', 'tcp6', 'udp', 'udp6'].map(async (proto) => {
      const lines = ((await ifThere(readFile(`/proc/net/${proto}`, 'utf8'))) ?? '').split('\n').slice(1);
      return lines.flatMap((line) => {
        const [, local = '', , state = '', , , , , , inode = ''] = line.trim().split(/\s+/);
        return owned.has(inode) && (state === '0A' || state === '07') ? [`${proto} ${local}`] : [];
      });
    }),
  );
  return tables.flat();
}

/** A process or a file may disappear while it is read. */
async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'ENOTDIR', 'EACCES')) return undefined;
    throw error;
  }
}

import { readdirSync, readFileSync } from 'node:fs';
import { isErrno } from '../../src/base/errors.ts';

/** A process of this host, from proc(5). */
export interface HostProcess {
  pid: number;
  ppid: number;
  /** `R`, `S`, `D`, `T`, ... */
  state: string;
  /** 1/100 s of processor time */
  cpuTicks: number;
  argv: readonly string[];
}

/**
 * All processes that this user may inspect, without those that have ended, zombies included.
 */
export function hostProcesses(): HostProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap((name) => {
      const stat = procFile(name, 'stat');
      // The second field is the program's name, which may hold blanks and parentheses.
      const [state = '', ppid, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (stat === '' || state === 'Z') return [];
      const argv = procFile(name, 'cmdline').split('\0').slice(0, -1);
      const cpuTicks = Number(rest[9]) + Number(rest[10]);
      return [{ pid: Number(name), ppid: Number(ppid), state, cpuTicks, argv }];
    });
}

/** `pid` and its descendants, as far as parent ids show them. */
export function familyOf(pid: number, processes: readonly HostProcess[]): HostProcess[] {
  const family = processes.filter((one) => one.pid === pid);
  for (const parent of family) family.push(...processes.filter(({ ppid }) => ppid === parent.pid));
  return family;
}

/**
 * The processes whose command line or environment names the path `folder`. This finds what was started there
 * and has detached from its parent.
 */
export function processesOf(folder: string, processes: readonly HostProcess[]): HostProcess[] {
  const names = (text: string): boolean => text.includes(`${folder}/`) || text.includes(`${folder}\0`);
  return processes.filter(
    ({ pid, argv }) => pid !== process.pid && (names(argv.join('\0')) || names(procFile(pid, 'environ'))),
  );
}

/**
 * One line that says what the process is and what it does, including the kernel function in which it waits
 * where the kernel reveals that.
 */
export function describeProcess({ pid, ppid, state, cpuTicks, argv }: HostProcess): string {
  const seconds = (cpuTicks / 100).toFixed(1);
  return `${pid} of ${ppid}, ${state} ${procFile(pid, 'wchan')}, ${seconds} s: ${argv.join(' ').slice(0, 200)}`;
}

/** Kills exactly these processes. It is no error when one has ended already. */
export function killAll(processes: readonly HostProcess[]): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error;
    }
  }
}

function procFile(pid: number | string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return '';
    throw error;
  }
}

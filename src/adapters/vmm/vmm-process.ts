import { readdir, readFile, stat } from 'node:fs/promises';
import { neverAborts, sleep } from '../../base/abort.ts';
import { AppError, isErrno } from '../../base/errors.ts';
import type { VmmActivity, VmmProcess, VmmUsage } from '../../core/ports/vmm/running-vm.ts';

/** How long a process may take to go after SIGKILL: the kernel gives back its memory first. */
const KILL_DEADLINE_MS = 10_000;
const POLL_MS = 3;

/**
 * Identity of the process `pid`; `undefined` when there is none, or only its exit status is left (a zombie
 * runs nothing).
 */
export async function readVmmProcess(pid: number): Promise<VmmProcess | undefined> {
  const text = await readProc(pid, 'stat');
  return text === undefined ? undefined : parseVmmProcess(pid, text);
}

/**
 * The same from the text of proc(5) `/proc/PID/stat`. A process that is killed is a zombie as soon as its
 * first thread has ended; until the last one has, it holds its memory and its files, locks on drives
 * included, and counts as running.
 */
export function parseVmmProcess(pid: number, stat: string): VmmProcess | undefined {
  // The second field is the program's name, which may hold blanks and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  // num_threads is field 20 and starttime field 22; the first of these is field 3.
  const [threadCount, startTicks] = [Number(fields[17]), Number(fields[19])];
  const hasEnded = (state === 'Z' || state === 'X') && threadCount <= 1;
  return hasEnded || Number.isNaN(startTicks) ? undefined : { pid, startTicks };
}

/** True while exactly this process runs; a later one with the same pid does not count. */
export async function isAlive(vmm: VmmProcess): Promise<boolean> {
  return (await readVmmProcess(vmm.pid))?.startTicks === vmm.startTicks;
}

/** proc(5) counts in units of 1/100 s for every program (USER_HZ). */
const MS_PER_TICK = 10;

/** What exactly this process uses; nothing when it has gone. */
export async function usageOf(vmm: VmmProcess): Promise<VmmUsage> {
  const [cpuMs, rollup] = await Promise.all([cpuMsOf(vmm), readProc(vmm.pid, 'smaps_rollup')]);
  if (cpuMs === undefined) return { memoryBytes: 0, cpuMs: 0 };
  const pssKib = Number(/^Pss: +([0-9]+) kB$/m.exec(rollup ?? '')?.[1] ?? 0);
  return { memoryBytes: pssKib * 1024, cpuMs };
}

/** What exactly this process has done; nothing when it has gone. */
export async function activityOf(vmm: VmmProcess): Promise<VmmActivity> {
  const [io, cpuMs] = await Promise.all([readProc(vmm.pid, 'io'), cpuMsOf(vmm)]);
  // proc(5): bytes given to write(2) and its like, and bytes of pages that will be on a disk. Some file
  // systems, and some ways to write, count in one only.
  const [wchar = 0, writeBytes = 0] = [/^wchar: ([0-9]+)$/m, /^write_bytes: ([0-9]+)$/m].map((line) =>
    Number(line.exec(io ?? '')?.[1] ?? 0),
  );
  return cpuMs === undefined
    ? { cpuMs: 0, writtenBytes: 0 }
    : { cpuMs, writtenBytes: Math.max(wchar, writeBytes) };
}

/** Time of the host's processors that this process has used, in `ms`; `undefined` when it has gone. */
export async function cpuMsOf(vmm: VmmProcess): Promise<number | undefined> {
  const stat = await readProc(vmm.pid, 'stat');
  if (stat === undefined || !(await isAlive(vmm))) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // utime and stime are fields 14 and 15; the first of these is field 3.
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

/** A process and its command line. */
export interface FoundVmm {
  vmm: VmmProcess;
  argv: readonly string[];
}

/**
 * Processes of this user whose command line has `flag` followed by `value`, both exactly. This is how a VMM
 * is found of which no record was written.
 */
export async function findByArgument(flag: string, value: string): Promise<VmmProcess[]> {
  return (await findVmms((argv) => valuesOf(argv, flag).includes(value))).map(({ vmm }) => vmm);
}

/** Processes of this user with a command line that `isMeant` returns true for. */
export async function findVmms(isMeant: (argv: readonly string[]) => boolean): Promise<FoundVmm[]> {
  const meant = (await ownProcesses()).filter(({ argv }) => isMeant(argv));
  const found = meant.map(async ({ pid, argv }) => {
    const vmm = await readVmmProcess(pid);
    return vmm === undefined ? [] : [{ vmm, argv }];
  });
  return (await Promise.all(found)).flat();
}

/** What follows `flag` on a command line, each time. */
export function valuesOf(argv: readonly string[], flag: string): string[] {
  return argv.flatMap((word, at) => (word === flag ? (argv[at + 1] ?? []) : []));
}

/** True when both are the same process. */
export function isSame(one: VmmProcess, other: VmmProcess | undefined): boolean {
  return one.pid === other?.pid && one.startTicks === other.startTicks;
}

/** Processes of this user with their command lines. */
async function ownProcesses(): Promise<{ pid: number; argv: string[] }[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      if (!(await isOurs(pid))) return [];
      const words = await readProc(pid, 'cmdline');
      return words === undefined ? [] : { pid, argv: words.split('\0') };
    }),
  );
  return found.flat();
}

/**
 * Ends the process: SIGTERM, on which a VMM writes out what it holds of its drives, then SIGKILL after
 * `graceMs`. Settles when it is gone. Idempotent.
 *
 * @throws {AppError} VMM_KILL_FAILED when it does not go away.
 */
export async function endProcess(vmm: VmmProcess, { graceMs }: { graceMs: number }): Promise<void> {
  if (graceMs > 0 && (await sendSignal(vmm, 'SIGTERM'))) {
    // One that was stopped would see it only when it is let go on.
    await sendSignal(vmm, 'SIGCONT');
    if (await isGoneWithin(vmm, graceMs)) return;
  }
  if (!(await sendSignal(vmm, 'SIGKILL')) || (await isGoneWithin(vmm, KILL_DEADLINE_MS))) return;
  throw new AppError('VMM_KILL_FAILED', `Cannot end the VMM process ${vmm.pid}: it hangs in the kernel`, {
    hint: 'look for a disk or network file system that does not answer',
    details: { pid: vmm.pid },
  });
}

/** Sends exactly this process a signal. False when it is gone. */
export async function sendSignal(vmm: VmmProcess, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await isAlive(vmm))) return false;
  try {
    process.kill(vmm.pid, signal);
    return true;
  } catch (error) {
    if (isErrno(error, 'ESRCH')) return false;
    throw error;
  }
}

/** True when exactly this process is gone at the latest after `deadlineMs`. */
export async function isGoneWithin(vmm: VmmProcess, deadlineMs: number): Promise<boolean> {
  const endsAt = performance.now() + deadlineMs;
  for (;;) {
    if (!(await isAlive(vmm))) return true;
    if (performance.now() >= endsAt) return false;
    await sleep(POLL_MS, { signal: neverAborts() });
  }
}

async function isOurs(pid: number): Promise<boolean> {
  try {
    return (await stat(`/proc/${pid}`)).uid === process.getuid?.();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return false;
    throw error;
  }
}

async function readProc(
  pid: number,
  name: 'cmdline' | 'io' | 'smaps_rollup' | 'stat',
): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}

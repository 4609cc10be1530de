import { readdir, readFile, stat } from 'node:fs/promises';
import { neverAborts, sleep } from '../../base/abort.ts';
import { AppError, isErrno } from '../../base/errors.ts';
import type { VmmActivity, VmmProcess, VmmUsage } from '../../core/ports/vmm/running-vm.ts';

/** How long a process may take to end after SIGKILL: the kernel frees its memory first. */
const KILL_DEADLINE_MS = 10_000;
const POLL_MS = 3;

/**
 * The identity of the process `pid`. `undefined` when it does not exist, or when it is a zombie, which runs
 * nothing.
 */
export async function readVmmProcess(pid: number): Promise<VmmProcess | undefined> {
  const text = await readProc(pid, 'stat');
  return text === undefined ? undefined : parseVmmProcess(pid, text);
}

/**
 * Parses proc(5) `/proc/PID/stat`. A killed process becomes a zombie as soon as its first thread has ended.
 * Until its last thread has ended it still holds memory and files, locks on drives included, so it counts as
 * running.
 */
export function parseVmmProcess(pid: number, stat: string): VmmProcess | undefined {
  // The second field is the program's name, which may contain spaces and parentheses.
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

/** What exactly this process uses; `undefined` when it has ended. */
export async function usageOf(vmm: VmmProcess): Promise<VmmUsage> {
  const [cpuMs, rollup] = await Promise.all([cpuMsOf(vmm), readProc(vmm.pid, 'smaps_rollup')]);
  if (cpuMs === undefined) return { memoryBytes: 0, cpuMs: 0 };
  const pssKib = Number(/^Pss: +([0-9]+) kB$/m.exec(rollup ?? '')?.[1] ?? 0);
  return { memoryBytes: pssKib * 1024, cpuMs };
}

/** What exactly this process has done; `undefined` when it has ended. */
export async function activityOf(vmm: VmmProcess): Promise<VmmActivity> {
  const [io, cpuMs] = await Promise.all([readProc(vmm.pid, 'io'), cpuMsOf(vmm)]);
  // proc(5): bytes passed to write(2) and the like, and bytes of pages that will be written to a disk. Some
  // file systems, and some ways of writing, count in only one of them.
  const [wchar = 0, writeBytes = 0] = [/^wchar: ([0-9]+)$/m, /^write_bytes: ([0-9]+)$/m].map((line) =>
    Number(line.exec(io ?? '')?.[1] ?? 0),
  );
  return cpuMs === undefined
    ? { cpuMs: 0, writtenBytes: 0 }
    : { cpuMs, writtenBytes: Math.max(wchar, writeBytes) };
}

/** CPU time that this process has used, in `ms`; `undefined` when it has ended. */
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
 * Processes of this user whose command line has `flag` followed by `value`, both matched exactly. Finds VMMs
 * for which no record was written.
 */
export async function findByArgument(flag: string, value: string): Promise<VmmProcess[]> {
  return (await findVmms((argv) => valuesOf(argv, flag).includes(value))).map(({ vmm }) => vmm);
}

/** Processes of this user for whose command line `isMeant` returns true. */
export async function findVmms(isMeant: (argv: readonly string[]) => boolean): Promise<FoundVmm[]> {
  const meant = (await ownProcesses()).filter(({ argv }) => isMeant(argv));
  const found = meant.map(async ({ pid, argv }) => {
    const vmm = await readVmmProcess(pid);
    return vmm === undefined ? [] : [{ vmm, argv }];
  });
  return (await Promise.all(found)).flat();
}

/** Every value that follows `flag` on a command line. */
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
 * Ends the process: SIGTERM, on which a VMM writes its cached drive data, then SIGKILL after `graceMs`.
 * Settles when the process is gone. Idempotent.
 *
 * @throws {AppError} VMM_KILL_FAILED when it does not end.
 */
export async function endProcess(vmm: VmmProcess, { graceMs }: { graceMs: number }): Promise<void> {
  if (graceMs > 0 && (await sendSignal(vmm, 'SIGTERM'))) {
    // A stopped process would not see SIGTERM until it continues.
    await sendSignal(vmm, 'SIGCONT');
    if (await isGoneWithin(vmm, graceMs)) return;
  }
  if (!(await sendSignal(vmm, 'SIGKILL')) || (await isGoneWithin(vmm, KILL_DEADLINE_MS))) return;
  throw new AppError('VMM_KILL_FAILED', `Cannot end the VMM process ${vmm.pid}: it hangs in the kernel`, {
    hint: 'look for a disk or network file system that does not answer',
    details: { pid: vmm.pid },
  });
}

/** Sends a signal to exactly this process. Returns false when it is gone. */
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

/** Returns true when exactly this process is gone after `deadlineMs` at the latest. */
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

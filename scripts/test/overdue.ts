import { readFileSync } from 'node:fs';
import { describeProcess, familyOf, hostProcesses, killAll, processesOf } from './processes.ts';

/** How files are watched. */
export interface WatchOptions {
  /** absolute paths of the files, each run by a child process of this one */
  files: readonly string[];
  /** most `ms` that one file may take */
  limitMs: number;
  /** the folder of a file; processes whose command line or environment names it are killed too */
  folderOf: (file: string) => string;
  /** paths of logs that may show why it hangs */
  logs: () => readonly string[];
  write: (text: string) => void;
}

/** Rarely: limits are minutes, and each scan takes processor time from the tests. */
const LOOK_EVERY_MS = 5_000;
const LOG_LINES = 15;

/**
 * Kills a test file that hangs, reports what hung, and lets the file count as failed. The time limit of
 * node:test is not enough: it fails the tests, and then waits forever for processes that they left running.
 * Disposing stops the watch.
 */
export function endOverdue({ files, limitMs, folderOf, logs, write }: WatchOptions): Disposable {
  const seenAt = new Map<number, number>();
  const look = (): void => {
    const now = performance.now();
    const processes = hostProcesses();
    for (const { pid, ppid, argv } of processes) {
      const file = ppid === process.pid ? argv.find((word) => files.includes(word)) : undefined;
      if (file === undefined) continue;
      const begunAt = seenAt.get(pid) ?? now;
      seenAt.set(pid, begunAt);
      if (now - begunAt < limitMs) continue;
      const family = familyOf(pid, processes);
      const strays = processesOf(folderOf(file), processes);
      const left = [...family, ...strays.filter((one) => !family.includes(one))];
      write(`FAIL ${file}: it did not end within ${limitMs / 1000} s, and is killed with\n`);
      for (const one of left) write(`     ${describeProcess(one)}\n`);
      for (const path of logs()) write(`     ---- ${path}\n${tailOf(path)}\n`);
      killAll(left);
    }
  };
  const timer = setInterval(look, Math.min(LOOK_EVERY_MS, limitMs / 2));
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function tailOf(path: string): string {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  return lines
    .slice(-LOG_LINES)
    .map((line) => `     ${line.slice(0, 400)}`)
    .join('\n');
}

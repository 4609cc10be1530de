import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type Abortable, sleep } from '../src/base/abort.ts';
import { invariant, isErrno } from '../src/base/errors.ts';

/** How long a program took, and the most memory that it had at once. */
export interface Peaked {
  ms: number;
  peakMib: number;
}

/** `ms` between two looks at the high-water mark: what grows after the last look is missed. */
const LOOK_MS = 5;

/**
 * Runs a program to its end. Its standard input stays open, because some programs end when that does.
 */
export async function peakOf(
  [program, ...args]: readonly [string, ...string[]],
  { signal }: Abortable,
): Promise<Peaked & { output: string }> {
  const begunAt = performance.now();
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], signal });
  const ended = once(child, 'exit');
  const printing = text(child.stdout);
  let peakMib = 0;
  const over = new AbortController();
  const looking = look();
  const [code] = await ended;
  const ms = performance.now() - begunAt;
  over.abort();
  await looking;
  invariant(code === 0, `${program} ended with ${String(code)}`);
  return { ms, peakMib, output: await printing };

  async function look(): Promise<void> {
    while (!over.signal.aborted) {
      peakMib = Math.max(peakMib, await highWaterMib(child.pid));
      await sleep(LOOK_MS, { signal: over.signal }).catch(() => {});
    }
  }
}

/** `VmHWM` of `/proc/PID/status` (proc(5)); 0 for a process that has ended. */
async function highWaterMib(pid: number | undefined): Promise<number> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+([0-9]+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return 0;
    throw error;
  }
}

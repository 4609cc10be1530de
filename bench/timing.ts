import type { Abortable } from '../src/base/abort.ts';
import { exec, execStream } from '../src/base/process/exec.ts';

type Argv = readonly [string, ...string[]];

/** How a measured program runs. */
export interface TimedOptions extends Abortable {
  env: NodeJS.ProcessEnv;
}

/** Runs `work` `count` times, one after another, and returns all results. */
export async function repeat<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let index = 0; index < count; index += 1) results.push(await work(index));
  return results;
}

/** Returns the `ms` that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

/** Returns the `ms` from the start of a program to its end. */
export async function timeOf(argv: Argv, options: TimedOptions): Promise<number> {
  return await timed(() => exec(argv, options));
}

/** Returns the `ms` from the start of a program to its first byte of output, and the whole output. */
export async function timeToFirstOutput(
  argv: Argv,
  options: TimedOptions,
): Promise<{ ms: number; output: string }> {
  const begun = performance.now();
  const { stdout, done } = execStream(argv, options);
  let ms = Number.NaN;
  const chunks: Buffer[] = [];
  for await (const chunk of stdout) {
    if (chunks.length === 0) ms = performance.now() - begun;
    chunks.push(chunk as Buffer);
  }
  await done;
  return { ms, output: Buffer.concat(chunks).toString('utf8') };
}

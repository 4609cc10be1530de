import { exec } from '../../../src/base/process/exec.ts';
import { patient } from '../../support/patience.ts';
import type * as tasks from './tasks.ts';

type Tasks = typeof tasks;

/**
 * Runs a function of tasks.ts in a separate process and returns its result, which must be plain data;
 * `undefined` when it was killed before it had one. With `isKilled`, the process is killed as soon as it has
 * printed the result.
 */
export async function runTask<Name extends keyof Tasks>(
  name: Name,
  input: Parameters<Tasks[Name]>[0],
  {
    prefix = [],
    isKilled = false,
    okCodes = isKilled ? [137] : [0],
  }: { prefix?: readonly string[]; isKilled?: boolean; okCodes?: readonly number[] } = {},
): Promise<Awaited<ReturnType<Tasks[Name]>> | undefined> {
  const script = `
    const tasks = await import(${JSON.stringify(import.meta.resolve('./tasks.ts'))});
    const result = await tasks[${JSON.stringify(name)}](JSON.parse(process.argv[1]));
    const printed = () => ${isKilled} && process.kill(process.pid, 'SIGKILL');
    process.stdout.write(JSON.stringify(result), printed);`;
  const node = [process.execPath, '--input-type=module', '-e', script, '--', JSON.stringify(input)];
  const [program, ...args] = [...prefix, ...node];
  const signal = AbortSignal.timeout(patient(90_000));
  const { stdout } = await exec([program as string, ...args], { signal, okCodes });
  return stdout.length === 0 ? undefined : JSON.parse(stdout.toString());
}

import { neverAborts } from '../../src/base/abort.ts';
import { isAppError, messageOf } from '../../src/base/errors.ts';
import { exec } from '../../src/base/process/exec.ts';

type Argv = readonly [string, ...string[]];

/** Where a tool runs. */
interface ToolOptions {
  cwd: string;
  /** default: the environment of this process */
  env?: NodeJS.ProcessEnv;
}

/** The lines that a tool printed, or its error when it printed nothing. */
export async function outputOf(argv: Argv, options: ToolOptions): Promise<string[]> {
  return (await run(argv, options)).lines;
}

/** The lines that a tool printed when it failed; none when it succeeded. */
export async function problemsOf(argv: Argv, options: ToolOptions): Promise<string[]> {
  const { code, lines } = await run(argv, options);
  if (code === 0) return [];
  return lines.length > 0 ? lines : [`"${argv.join(' ')}" failed with status ${code}`];
}

async function run(argv: Argv, options: ToolOptions): Promise<{ code: number; lines: string[] }> {
  try {
    const { code, stdout, stderr } = await exec(argv, {
      ...options,
      signal: neverAborts(),
      okCodes: ANY_CODE,
    });
    return { code, lines: `${stdout}${stderr}`.split('\n').filter((line) => line.trim() !== '') };
  } catch (error) {
    if (isAppError(error, 'EXEC_NOT_FOUND')) return { code: 127, lines: [messageOf(error)] };
    throw error;
  }
}

const ANY_CODE: readonly number[] = Array.from({ length: 256 }, (_, code) => code);

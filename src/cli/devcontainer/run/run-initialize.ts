import { AppError, isAppError, printable } from '../../../base/errors.ts';
import { exec, LONG_WORK_DEADLINE_MS } from '../../../base/process/exec.ts';
import type { CommandContext } from '../../context/context.ts';
import { prefixLines } from '../../vm/fork/prefix-lines.ts';
import type { Step } from '../config.ts';

const NAME = 'initializeCommand';

/**
 * Runs the `initializeCommand` of a file on this host, which the user has allowed: in the folder of the file,
 * as this user, with the variables of this process. Its output goes to stderr.
 *
 * @throws {AppError} DEVCONTAINER_COMMAND_FAILED; EXEC_NOT_FOUND.
 */
export async function runInitialize(
  step: Step,
  { folder, context }: { folder: string; context: CommandContext },
): Promise<void> {
  const { signal, io } = context;
  for (const { label, argv } of step) {
    const name = label === undefined ? NAME : `${NAME} ${printable(label)}`;
    context.progress.step('devcontainer', `${name} on this host`);
    const output = prefixLines(name, async (lines) => {
      context.progress.clear();
      await context.stderr.write(lines, { signal });
    });
    let printed = Promise.resolve();
    const onStderr = (chunk: Buffer): void => {
      printed = printed.then(() => output.push(chunk));
    };
    try {
      const run = { signal, cwd: folder, env: { ...io.env }, onStderr, deadlineMs: LONG_WORK_DEADLINE_MS };
      const { stdout } = await exec(argv, run);
      await printed;
      await output.push(stdout);
    } catch (error) {
      if (!isAppError(error, 'EXEC_FAILED')) throw error;
      throw new AppError(
        'DEVCONTAINER_COMMAND_FAILED',
        `Cannot continue after ${name} on this host: it failed`,
        {
          hint: 'nothing was made; --devcontainer-skip initializeCommand does without it',
          details: { command: name },
          cause: error,
        },
      );
    } finally {
      await output.end();
    }
  }
}

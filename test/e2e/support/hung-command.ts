import { readFile } from 'node:fs/promises';
import { describeProcess, hostProcesses, processesOf } from '../../../scripts/test/processes.ts';
import { isErrno } from '../../../src/base/errors.ts';
import type { Paths } from '../../../src/config/paths.ts';

const LOG_LINES = 30;

/** The error of a command that did not end, with facts that may explain it. */
export async function hungCommand(
  args: readonly string[],
  { paths, scratch, output }: { paths: Paths; scratch: string; output: string },
): Promise<Error> {
  const processes = processesOf(scratch, hostProcesses()).map(describeProcess);
  const log = await readFile(paths.daemonLogFile, 'utf8').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  });
  const lines = [
    `banger ${args.join(' ')} hung, having printed:`,
    output,
    '---- processes',
    ...processes,
    "---- the daemon's log",
    ...log.trimEnd().split('\n').slice(-LOG_LINES),
  ];
  return new Error(lines.join('\n'));
}

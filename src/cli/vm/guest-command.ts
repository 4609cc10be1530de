import { AppError } from '../../base/errors.ts';

/**
 * Returns the words after `--` as a command; `usage` is an example for the hint.
 *
 * @throws {AppError} USAGE_COMMAND_EMPTY when there are no words, or the name of the program is empty.
 */
export function commandOf(words: readonly string[], { usage }: { usage: string }): [string, ...string[]] {
  const [program, ...rest] = words;
  if (program === undefined || program === '') {
    const why = program === undefined ? 'there is no command after "--"' : "the program's name is empty";
    throw new AppError('USAGE_COMMAND_EMPTY', `Cannot run the command: ${why}`, {
      hint: `for example: ${usage}`,
      details: { field: 'cmd' },
    });
  }
  return [program, ...rest];
}

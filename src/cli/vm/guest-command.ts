import { AppError } from '../../base/errors.ts';
import { type ByteString, byteString } from '../../protocol/guest.ts';
import type { CliIo } from '../context/io.ts';

/**
 * The words after `--` as a command; `usage` is an example for the hint.
 *
 * @throws {AppError} USAGE_COMMAND_EMPTY when there is none, or the program's name is empty.
 */
export function commandOf(words: readonly string[], { usage }: { usage: string }): [string, ...string[]] {
  const [program, ...rest] = words;
  if (program === undefined || program === '') {
    const why = program === undefined ? 'there is none after "--"' : "the program's name is empty";
    throw new AppError('USAGE_COMMAND_EMPTY', `Cannot run the command: ${why}`, {
      hint: `for example: ${usage}`,
      details: { field: 'cmd' },
    });
  }
  return [program, ...rest];
}

/** What Node puts in place of bytes that are not UTF-8. */
const REPLACED = '\u{fffd}';

/**
 * The command for the guest, with the very bytes that were typed. `command` is the end of the command line.
 */
export function bytesOfCommand(
  command: readonly string[],
  io: Pick<CliIo, 'lastWords'>,
): readonly ByteString[] {
  if (!command.some((word) => word.includes(REPLACED))) return command;
  return io.lastWords(command.length).map(byteString);
}

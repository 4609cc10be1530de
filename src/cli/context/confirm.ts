import { openAnswers } from './answers.ts';
import type { CommandContext } from './context.ts';

/** True when the user can be asked: stdin and stderr are terminals. */
export function canAsk({ io }: CommandContext): boolean {
  return io.stdin.isTTY === true && io.stderr.isTTY === true;
}

/**
 * Asks a question on stderr and reads one line of stdin. Returns true only for `y` and `yes`, in any case;
 * the end of stdin counts as no. Ctrl-C rejects with the reason of the signal.
 */
export async function confirm(question: string, context: CommandContext): Promise<boolean> {
  using answers = openAnswers(context);
  return /^y(es)?$/i.test((await answers.ask(`${question} [y/N] `)) ?? '');
}

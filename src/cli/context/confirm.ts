import { onAbort } from '../../base/abort.ts';
import type { CommandContext } from './context.ts';

/** Longest answer that is read. */
const MAX_ANSWER_CHARS = 1_000;

/** True when the user can be asked: stdin and stderr are terminals. */
export function canAsk({ io }: CommandContext): boolean {
  return io.stdin.isTTY === true && io.stderr.isTTY === true;
}

/**
 * Asks a question on stderr and reads one line of stdin. Returns true only for `y` and `yes`, in any case;
 * the end of stdin counts as no. Ctrl-C rejects with the reason of the signal.
 */
export async function confirm(
  question: string,
  { io, stderr, progress, signal }: CommandContext,
): Promise<boolean> {
  progress.clear();
  stderr.put(`${question} [y/N] `);
  const answer = Promise.withResolvers<string>();
  using _listener = onAbort(signal, () => answer.reject(signal.reason));
  let text = '';
  const onData = (chunk: Buffer | string): void => {
    text += chunk.toString();
    if (text.includes('\n') || text.length > MAX_ANSWER_CHARS) answer.resolve(text);
  };
  const onEnd = (): void => answer.resolve('');
  io.stdin.on('data', onData);
  io.stdin.once('end', onEnd);
  io.stdin.once('error', onEnd);
  try {
    const line = (await answer.promise).split('\n')[0] ?? '';
    return /^y(es)?$/i.test(line.trim());
  } finally {
    io.stdin.off('data', onData);
    io.stdin.off('end', onEnd);
    io.stdin.off('error', onEnd);
    io.stdin.pause();
  }
}

import { onAbort } from '../../base/abort.ts';
import type { CommandContext } from './context.ts';

/** Longest answer that is read. */
const MAX_ANSWER_CHARS = 1_000;

/** What a user answers to questions, line by line; what is typed ahead answers the next question. */
export interface Answers extends Disposable {
  /**
   * Asks on stderr, and returns the next line of stdin without spaces around it; `undefined` after its end.
   * Ctrl-C rejects with the reason of the signal.
   */
  ask(question: string): Promise<string | undefined>;
}

/** Reads answers from stdin until disposed of. */
export function openAnswers({ io, stderr, progress, signal }: CommandContext): Answers {
  let text = '';
  let isEnded = false;
  let next: PromiseWithResolvers<string | undefined> | undefined;
  const settle = (): void => {
    const end = text.indexOf('\n');
    if (!next || (end < 0 && text.length <= MAX_ANSWER_CHARS && !isEnded)) return;
    next.resolve(end < 0 && isEnded ? undefined : (text.split('\n')[0] ?? '').trim());
    text = end < 0 ? '' : text.slice(end + 1);
    next = undefined;
  };
  const onData = (chunk: Buffer | string): void => {
    text += chunk.toString();
    settle();
  };
  const onEnd = (): void => {
    isEnded = true;
    settle();
  };
  const listener = onAbort(signal, () => next?.reject(signal.reason));
  io.stdin.on('data', onData);
  io.stdin.once('end', onEnd);
  io.stdin.once('error', onEnd);
  return {
    async ask(question) {
      signal.throwIfAborted();
      progress.clear();
      stderr.put(question);
      next = Promise.withResolvers();
      const answer = next.promise;
      settle();
      return await answer;
    },
    [Symbol.dispose]() {
      listener[Symbol.dispose]();
      io.stdin.off('data', onData);
      io.stdin.off('end', onEnd);
      io.stdin.off('error', onEnd);
      io.stdin.pause();
    },
  };
}

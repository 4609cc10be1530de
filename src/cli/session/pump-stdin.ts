import type { InputStream } from '../context/io.ts';

/** Where stdin goes. */
export interface StdinTarget {
  /** settles when there is room for more */
  write(bytes: Uint8Array): Promise<void>;
  end(): void;
}

/**
 * Passes `stdin` and its end on to `target`, no faster than `target` accepts it, until disposed of. Ignores
 * that `target` has closed.
 */
export function pumpStdin(
  stdin: InputStream,
  { target, onEnd }: { target: StdinTarget; onEnd?: () => void },
): Disposable {
  let isStopped = false;
  // Writes one chunk after the other, and the end last: a stream may emit `end` although its last chunk made
  // us pause it.
  let sent = Promise.resolve();
  const inTurn = (step: () => Promise<void> | void): void => {
    sent = sent.then(step).then(
      () => {
        if (!isStopped) stdin.resume();
      },
      // The reader of the session reports why it has ended.
      () => {},
    );
  };
  const onData = (chunk: Buffer | string): void => {
    stdin.pause();
    inTurn(() => target.write(typeof chunk === 'string' ? Buffer.from(chunk) : chunk));
  };
  const onStdinEnd = (): void => {
    onEnd?.();
    inTurn(() => target.end());
  };
  stdin.on('data', onData);
  stdin.once('end', onStdinEnd);
  // Treats a stdin that cannot be read (a folder, a terminal that hung up) as ended.
  stdin.once('error', onStdinEnd);
  return {
    [Symbol.dispose]: () => {
      isStopped = true;
      stdin.off('data', onData);
      stdin.off('end', onStdinEnd);
      stdin.off('error', onStdinEnd);
      stdin.on('error', () => {});
      stdin.pause();
    },
  };
}

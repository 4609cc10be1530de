import type { InputStream } from '../context/io.ts';

/** Where stdin goes. */
export interface StdinTarget {
  /** settles when there is room for more */
  write(bytes: Uint8Array): Promise<void>;
  end(): void;
}

/**
 * Passes `stdin` on, no faster than `target` takes it, and its end too, until disposed of. A target that has
 * gone is no error here.
 */
export function pumpStdin(
  stdin: InputStream,
  { target, onEnd }: { target: StdinTarget; onEnd?: () => void },
): Disposable {
  let isStopped = false;
  // One after another, and the end last: a stream may emit `end` although its last chunk made us pause it.
  let sent = Promise.resolve();
  const inTurn = (step: () => Promise<void> | void): void => {
    sent = sent.then(step).then(
      () => {
        if (!isStopped) stdin.resume();
      },
      // The session's reader tells why it has ended.
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
  // A stdin that cannot be read (a folder, a terminal that hung up) is one that has ended.
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

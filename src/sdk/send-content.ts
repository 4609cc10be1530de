import type { ClientRequest } from 'node:http';

/** A body that is being sent. */
export interface Sending {
  /** the error of the content, after it has failed */
  failure(): unknown;
  /** Stops sending, and ends the content's iterator. */
  stop(): void;
}

/**
 * Sends `content` as the body of `call`, as fast as the peer reads it. When the content fails, the call is
 * destroyed.
 */
export function sendContent(call: ClientRequest, content: AsyncIterable<Buffer>): Sending {
  let failure: unknown;
  let isStopped = false;
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  call.once('close', stop);
  const send = async (): Promise<void> => {
    for await (const chunk of content) {
      if (isStopped || call.destroyed) return;
      if (!call.write(chunk)) await Promise.race([stopped, drained(call)]);
    }
    call.end();
  };
  send().catch((error: unknown) => {
    failure = error;
    call.destroy();
  });
  return {
    failure: () => failure,
    stop() {
      isStopped = true;
      stop();
    },
  };
}

async function drained(call: ClientRequest): Promise<void> {
  await new Promise<void>((resolve) => call.once('drain', resolve));
}

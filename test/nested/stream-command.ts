import type { Abortable } from '../../src/base/abort.ts';
import type { GuestAgent } from '../../src/core/ports/guest.ts';
import { ExecEventDecoder } from '../../src/protocol/exec-events.ts';
import { encodeFrame, encodeJsonFrame, FRAME } from '../../src/protocol/exec-frames.ts';
import type { ExecExit } from '../../src/protocol/guest.ts';

/**
 * Runs a command without input and passes its stdout on immediately, so that its output is known even if the
 * host is lost.
 */
export async function streamCommand(
  agent: GuestAgent,
  argv: readonly [string, ...string[]],
  { signal, onOutput }: Abortable & { onOutput: (text: string) => void },
): Promise<ExecExit> {
  const stream = await agent.exec({ signal });
  const text = new TextDecoder();
  const decoder = new ExecEventDecoder();
  try {
    stream.write(encodeJsonFrame(FRAME.start, { argv }));
    stream.write(encodeFrame(FRAME.stdinEnd));
    stream.end();
    for await (const chunk of stream) {
      for (const event of decoder.push(chunk)) {
        if (event.kind === 'stdout') onOutput(text.decode(event.chunk, { stream: true }));
        if (event.kind === 'error') throw new Error(`it could not be run: ${event.code}, ${event.message}`);
        if (event.kind === 'exit') return event.exit;
      }
    }
  } finally {
    stream.destroy();
  }
  throw new Error('it ended without an exit status');
}

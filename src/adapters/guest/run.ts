import { type Duplex, Readable } from 'node:stream';
import { AppError } from '../../base/errors.ts';
import { ByteCollector } from '../../base/text/byte-collector.ts';
import { ExecEventDecoder } from '../../protocol/exec-events.ts';
import { encodeJsonFrame, FRAME } from '../../protocol/exec-frames.ts';
import { ExecStdin } from '../../protocol/exec-stdin.ts';
import type { ExecExit, ExecStart } from '../../protocol/guest.ts';
import { brokenProtocol, refused } from './errors.ts';

const ACTION = 'run a command in the guest';

/** How a command ended, and its whole output. */
export interface RunResult {
  exit: ExecExit;
  stdout: Buffer;
  stderr: Buffer;
}

/**
 * Runs a command over a fresh exec stream. When this returns, the stream is closed, and so is an `input` that
 * is a stream.
 */
export async function runOver(
  stream: Duplex,
  spec: ExecStart,
  options: { input?: Readable | Buffer; maxOutputBytes: number; onOutput?: (chunk: Buffer) => void },
): Promise<RunResult> {
  const stdin = new ExecStdin(stream);
  stream.write(encodeJsonFrame(FRAME.start, spec));
  const sending = send(stdin, options.input).then(() => stream.end());
  // A failing input fails the whole run; the loop below then throws its error.
  sending.catch((error: Error) => stream.destroy(error));
  try {
    return await receive(stream, stdin, options);
  } finally {
    stdin.close();
    stream.destroy();
    if (options.input instanceof Readable) options.input.destroy();
  }
}

async function send(stdin: ExecStdin, input: Readable | Buffer | undefined): Promise<void> {
  if (Buffer.isBuffer(input)) await stdin.write(input);
  else if (input !== undefined) for await (const chunk of input) await stdin.write(chunk);
  stdin.end();
}

async function receive(
  stream: Duplex,
  stdin: ExecStdin,
  { maxOutputBytes, onOutput }: { maxOutputBytes: number; onOutput?: (chunk: Buffer) => void },
): Promise<RunResult> {
  const decoder = new ExecEventDecoder();
  const output = { stdout: new ByteCollector(), stderr: new ByteCollector() };
  let exit: ExecExit | undefined;
  for await (const chunk of stream) {
    for (const event of decoder.push(chunk)) {
      switch (event.kind) {
        case 'stdout':
        case 'stderr':
          if (onOutput) {
            onOutput(event.chunk);
            break;
          }
          output[event.kind].add(event.chunk);
          if (output.stdout.length + output.stderr.length > maxOutputBytes)
            throw tooMuchOutput(maxOutputBytes);
          break;
        case 'stdin-ack':
          stdin.acknowledge(event.bytes);
          break;
        case 'error':
          throw refused(ACTION, { status: 200, code: event.code, message: event.message });
        case 'exit':
          exit = event.exit;
          break;
        case 'started':
          break;
      }
    }
  }
  if (!exit) throw brokenProtocol(ACTION, 'no exit status');
  return { exit, stdout: output.stdout.take(), stderr: output.stderr.take() };
}

function tooMuchOutput(maxBytes: number): AppError {
  return new AppError(
    'GUEST_OUTPUT_TOO_LONG',
    `Cannot ${ACTION}: its output is longer than ${maxBytes} bytes`,
    { details: { maxBytes } },
  );
}

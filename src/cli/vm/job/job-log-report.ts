import { AppError } from '../../../base/errors.ts';
import type { JobEvent } from '../../../protocol/api/job-output.ts';
import { type ByteString, byteString, type ExecExit } from '../../../protocol/guest.ts';

/** What `vm job logs --json` prints. Fields are added, never changed. */
export interface JobLogReport {
  /** bytes after the cursor that the guest no longer has */
  droppedBytes: number;
  /** in order; text, or base64 where it is not UTF-8 */
  output: { stream: 'stdout' | 'stderr'; bytes: ByteString }[];
  /** for `--after` of the next call */
  cursor: string;
  /** absent while the job runs */
  exit?: ExecExit;
}

/** Most output that is collected, in `bytes`. An honest guest has a few MiB. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/**
 * Collects the output of a job that a guest has.
 *
 * @throws {AppError} GUEST_PROTOCOL when it goes on and on; those of `events`.
 */
export async function jobLogReport(events: AsyncIterable<JobEvent>): Promise<JobLogReport> {
  const parts: { stream: 'stdout' | 'stderr'; chunks: Buffer[] }[] = [];
  let droppedBytes = 0;
  let cursor = 0;
  let bytes = 0;
  let exit: ExecExit | undefined;
  for await (const event of events) {
    switch (event.kind) {
      case 'position':
        droppedBytes += event.droppedBytes;
        cursor = event.cursor;
        break;
      case 'stdout':
      case 'stderr': {
        bytes += event.chunk.length;
        if (bytes > MAX_OUTPUT_BYTES) {
          throw new AppError(
            'GUEST_PROTOCOL',
            `Cannot collect the output of the job: the guest sent more than ${MAX_OUTPUT_BYTES} bytes`,
            { hint: 'banger vm job logs without --json prints it as it comes' },
          );
        }
        const last = parts.at(-1);
        if (last?.stream === event.kind) last.chunks.push(event.chunk);
        else parts.push({ stream: event.kind, chunks: [event.chunk] });
        cursor = event.cursor;
        break;
      }
      case 'exit':
        exit = event.exit;
        break;
      default:
        break;
    }
  }
  const output = parts.map(({ stream, chunks }) => ({ stream, bytes: byteString(Buffer.concat(chunks)) }));
  return { droppedBytes, output, cursor: String(cursor), ...(exit === undefined ? {} : { exit }) };
}

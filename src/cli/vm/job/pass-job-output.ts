import { plural } from '../../../base/text/words.ts';
import type { JobEvent } from '../../../protocol/api/job-output.ts';
import type { ExecExit } from '../../../protocol/guest.ts';
import type { CommandContext } from '../../context/context.ts';

/** How far the output of a job was passed on. */
export interface PassedOutput {
  /** the place after what was passed on */
  cursor: number;
  /** absent while the job runs */
  exit?: ExecExit;
}

/**
 * Passes the output of a job to stdout and stderr, and says where bytes are missing. `passed` is up to date
 * at any time, also after a failure.
 */
export async function passJobOutput(
  output: AsyncIterable<JobEvent>,
  { passed, context }: { passed: PassedOutput; context: CommandContext },
): Promise<void> {
  const { signal } = context;
  for await (const event of output) {
    switch (event.kind) {
      case 'position':
        if (event.droppedBytes > 0) context.warn(droppedNotice(event.droppedBytes));
        passed.cursor = event.cursor;
        break;
      case 'stdout':
      case 'stderr':
        await context[event.kind].write(event.chunk, { signal });
        passed.cursor = event.cursor;
        break;
      case 'exit':
        passed.exit = event.exit;
        break;
      default:
        break;
    }
  }
}

/** What a user is told about output that the guest no longer has. */
function droppedNotice(bytes: number): string {
  return `${plural(bytes, 'byte')} of older output ${bytes === 1 ? 'is' : 'are'} missing here: the guest no longer has them`;
}

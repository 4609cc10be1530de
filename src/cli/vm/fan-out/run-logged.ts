import { open } from 'node:fs/promises';
import { messageOf } from '../../../base/errors.ts';
import type { ExecStart } from '../../../protocol/guest.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import { exitStatusOf } from '../../context/exit-status.ts';
import { exactStart } from '../../session/exact-start.ts';
import { statusOfExit } from '../../session/run-session.ts';

/** Most output in a log, in `bytes`: a command that never stops must not fill the disk. */
const MAX_LOG_BYTES = 64 * 1024 * 1024;

/**
 * Runs a command in a guest without input, and writes its output, stdout and stderr as they come, to the end
 * of a file. Returns its exit status: 126 or 127 when it could not be started. Beyond 64 MiB the output is
 * read, but not kept.
 *
 * @throws {AppError} as `ExecSession.output` otherwise; the abort reason after an abort.
 */
export async function runLogged(
  client: BangerClient,
  vmId: string,
  { start, logFile, signal }: { start: ExecStart; logFile: string; signal: AbortSignal },
): Promise<number> {
  await using log = await open(logFile, 'a');
  let left = MAX_LOG_BYTES;
  const write = async (chunk: Buffer): Promise<void> => {
    if (left <= 0) return;
    await log.write(chunk.subarray(0, left));
    left -= chunk.length;
    if (left <= 0) await log.write('\n[banger keeps no more of this output]\n');
  };
  try {
    using session = await client.exec(vmId, exactStart(start), { signal });
    session.end();
    for await (const output of session.output()) {
      if (output.kind === 'exit') return statusOfExit(output.exit);
      await write(output.chunk);
    }
    throw signal.reason;
  } catch (error) {
    signal.throwIfAborted();
    await log.write(`error: ${messageOf(error)}\n`);
    const status = exitStatusOf(error, { runsGuestCommand: true });
    if (status === 126 || status === 127) return status;
    throw error;
  }
}

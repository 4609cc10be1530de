import { isAppError, messageOf } from '../../../base/errors.ts';
import { plural } from '../../../base/text/words.ts';
import type { ExecExit } from '../../../protocol/guest.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import { statusOfExit } from '../../session/run-session.ts';
import { bringOut, type OutReport, type WayOut } from './bring-out.ts';
import type { OwnedVm } from './own-vm.ts';

/** Exit status of a command that banger itself could not finish. */
const OWN_FAILURE = 125;

/** What came of a way out. */
interface Taken {
  /** that of the command, unless only the way out failed */
  exitStatus: number;
  report: { out: OutReport } | { outError: string };
}

/**
 * Copies files out after the command, also after one that failed. When that is impossible, or a successful
 * command has made nothing that matches, the VM stays, so that nothing is lost; a warning says so.
 */
export async function takeOut(
  out: WayOut,
  {
    from,
    exit,
    owned,
    client,
    context,
  }: { from: string; exit: ExecExit; owned: OwnedVm; client: BangerClient; context: CommandContext },
): Promise<Taken> {
  const status = statusOfExit(exit);
  context.progress.step('vm run', 'copying files out');
  try {
    const report = await bringOut(client, owned.vm.id, { ...out, from, signal: context.signal });
    const [missing] = report.unmatched;
    if (missing === undefined || status !== 0) {
      if (missing !== undefined) context.warn(`nothing matches ${list(report.unmatched)}`);
      context.notice(`${plural(report.entries, 'file or folder', 'files and folders')} in ${report.dir}`);
      return { exitStatus: status, report: { out: report } };
    }
    return await lost(`nothing matches ${list(report.unmatched)}`, { status, owned, context });
  } catch (error) {
    context.signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    return await lost(messageOf(error), { status, owned, context });
  }
}

async function lost(
  reason: string,
  { status, owned, context }: { status: number; owned: OwnedVm; context: CommandContext },
): Promise<Taken> {
  const { name } = owned.vm;
  await owned.keep();
  context.warn(`files were not copied out: ${reason}`);
  context.notice(
    `vm "${name}" stays: banger vm cp ${name}:PATH . copies files; banger vm delete ${name} deletes it`,
  );
  return { exitStatus: status === 0 ? OWN_FAILURE : status, report: { outError: reason } };
}

function list(patterns: readonly string[]): string {
  return patterns.map((pattern) => JSON.stringify(pattern)).join(', ');
}

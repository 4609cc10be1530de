import type { Abortable } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import { EXPORTED_STATE, READ_STATE, SENT_REF, STATE_FOLDER } from '../../protocol/workspace-state.ts';
import type { BangerClient } from '../client.ts';
import { CHOOSE_BASE, outputOfScript } from './guest-script.ts';

/** Which repository to export; default: the VM's workspace. */
export interface ExportOptions extends Abortable {
  /** a folder of the repository in the guest, absolute */
  guestPath: string;
  /**
   * commit at which the patch starts; default: the tree that was sent last, or the guest's HEAD in a
   * repository that was not sent
   */
  baseCommit?: string | undefined;
}

/** Name in the git folder of the state that a patch shows, until its reader has all of it. */
const PENDING_STATE = `${STATE_FOLDER}/exporting`;

/** Shell lines after `READ_STATE`: what an earlier reader did not take is no longer pending. */
export const FORGET_PENDING = `
rm -f "$git/${PENDING_STATE}"`;

/** Shell lines after `READ_STATE`: notes the state, which the reader of the output will have. */
export const NOTE_PENDING = `mkdir -p "$git/${STATE_FOLDER}" && printf '%s\\n' "$state" >"$git/${PENDING_STATE}"`;

/**
 * Prints a patch from the commit $2, by default the tree that was sent last, to the files as they are. In a
 * repository that was not sent, the default is HEAD. The state is noted, unless the patch lacks commits that
 * were made in the guest: those are in it when it begins at what was sent, or before.
 */
const SCRIPT = `${READ_STATE}${FORGET_PENDING}${CHOOSE_BASE}
git diff-index --cached --binary --full-index --no-renames -p "$base" >"$temp/patch" || exit
cat "$temp/patch" || exit
git merge-base --is-ancestor "$base" ${SENT_REF} 2>/dev/null || exit 0
${NOTE_PENDING}
exit 0
`;

/** Notes that the host has the state that a patch showed. */
const NOTE_SCRIPT = `
cd "$1" && git=$(git rev-parse --absolute-git-dir) || exit
if [ -e "$git/${PENDING_STATE}" ]; then mv "$git/${PENDING_STATE}" "$git/${EXPORTED_STATE}"; fi
`;

/** The command whose output in the guest is the patch. */
export function exportCommand(
  guestPath: string,
  { baseCommit }: Pick<ExportOptions, 'baseCommit'> = {},
): [string, ...string[]] {
  return ['sh', '-c', SCRIPT, 'export', guestPath, baseCommit ?? ''];
}

/**
 * Returns the changes in a VM's repository as a patch for git-apply(1), in pieces; no piece when there are no
 * changes. Does not change the guest's index, refs and objects. Once the caller has taken all pieces, the
 * guest notes that its state is exported (`protocol/workspace-state.ts`).
 *
 * @throws {AppError} while iterating: WORKSPACE_EXPORT_FAILED, before the first piece unless the guest is
 * lost; and the errors of `BangerClient.exec`.
 */
export async function* exportWorkspace(
  client: BangerClient,
  ref: string,
  { guestPath, baseCommit, signal }: ExportOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const argv = exportCommand(guestPath, { baseCommit });
  yield* outputOfScript(client, ref, { argv, guestPath, baseCommit, verb: 'export', signal });
  await noteExported(client, ref, { guestPath, signal });
}

/**
 * Makes the guest note that the host has the state that {@link NOTE_PENDING} noted; does nothing without one.
 * Best effort: without the note the guest counts as changed.
 */
export async function noteExported(
  client: BangerClient,
  ref: string,
  { guestPath, signal }: Pick<ExportOptions, 'guestPath' | 'signal'>,
): Promise<void> {
  const argv = ['sh', '-c', NOTE_SCRIPT, 'note', guestPath];
  try {
    using session = await client.exec(ref, { argv, cwd: '/' }, { signal });
    await session.collect();
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
  }
}

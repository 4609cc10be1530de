import type { Abortable } from '../base/abort.ts';
import { AppError, isAppError, printable } from '../base/errors.ts';
import {
  EXPORTED_STATE,
  READ_STATE,
  SENT_REF,
  STATE_FOLDER,
  STATE_NO_FOLDER,
  STATE_NO_REPOSITORY,
} from '../protocol/workspace-state.ts';
import type { BangerClient } from './client.ts';

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

/** Exit status of {@link SCRIPT} for a commit that is not there. */
const NO_BASE = 93;

/** Name in the git folder of the state that a patch shows, until its reader has all of it. */
const PENDING_STATE = `${STATE_FOLDER}/exporting`;

/**
 * Prints a patch from the commit $2, by default the tree that was sent last, to the files as they are. In a
 * repository that was not sent, the default is HEAD. The state is noted, unless the patch lacks commits that
 * were made in the guest: those are in it when it begins at what was sent, or before.
 */
const SCRIPT = `${READ_STATE}
if [ -n "$2" ]; then base=$(git rev-parse -q --verify "$2^{commit}") || exit ${NO_BASE}
else base=$(git rev-parse -q --verify '${SENT_REF}^{commit}') || base=$(git rev-parse -q --verify 'HEAD^{commit}') || base=$(git hash-object -t tree /dev/null); fi
git diff-index --cached --binary --full-index --no-renames -p "$base" >"$temp/patch" || exit
cat "$temp/patch" || exit
rm -f "$git/${PENDING_STATE}"
git merge-base --is-ancestor "$base" ${SENT_REF} 2>/dev/null || exit 0
mkdir -p "$git/${STATE_FOLDER}" && printf '%s\\n' "$state" >"$git/${PENDING_STATE}"
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

/** Most of stderr that an error quotes. */
const MAX_STDERR_CHARS = 2000;

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
  using session = await client.exec(ref, { argv, cwd: '/' }, { signal });
  session.end();
  let stderr = '';
  for await (const event of session.output()) {
    switch (event.kind) {
      case 'stdout':
        yield event.chunk;
        break;
      case 'stderr':
        stderr = (stderr + event.chunk.toString('utf8')).slice(-MAX_STDERR_CHARS);
        break;
      default: {
        const status = 'code' in event.exit ? event.exit.code : undefined;
        if (status === 0) return await noteExported(client, ref, { guestPath, signal });
        throw exportFailed(status, { guestPath, baseCommit, stderr });
      }
    }
  }
}

/** Best effort: without the note the guest counts as changed. */
async function noteExported(
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

function exportFailed(
  status: number | undefined,
  { guestPath, baseCommit, stderr }: { guestPath: string; baseCommit: string | undefined; stderr: string },
): AppError {
  const [why, hint] = reasonOf(status, baseCommit);
  const cause = printable(stderr);
  return new AppError('WORKSPACE_EXPORT_FAILED', `Cannot export "${guestPath}" of the guest: ${why}`, {
    hint,
    details: { guestPath, ...(baseCommit === undefined ? {} : { baseCommit }) },
    cause: cause === '' ? undefined : new AppError('GUEST_FAILED', cause),
  });
}

function reasonOf(status: number | undefined, baseCommit: string | undefined): [string, string | undefined] {
  switch (status) {
    case STATE_NO_FOLDER:
      return ['there is no such folder', 'give the right one with --guest-path'];
    case STATE_NO_REPOSITORY:
      return ['it is not in a git repository', 'give the right folder with --guest-path'];
    case NO_BASE:
      return [
        `there is no commit "${printable(baseCommit ?? '')}" in it`,
        'git log in the guest says which there are',
      ];
    default:
      return ['git failed in the guest', undefined];
  }
}

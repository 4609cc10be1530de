import type { Abortable } from '../../base/abort.ts';
import { AppError, printable } from '../../base/errors.ts';
import { SENT_REF, STATE_NO_FOLDER, STATE_NO_REPOSITORY } from '../../protocol/workspace-state.ts';
import type { BangerClient } from '../client.ts';

/** Exit status of a script for a commit that does not exist. */
export const NO_BASE = 93;

/** Most of stderr that an error quotes. */
const MAX_STDERR_CHARS = 2000;

/**
 * Shell lines after `READ_FILES` that leave in `$base` what changes are compared with: the commit `$2`. If
 * `$2` is empty, it is the tree that was sent last, or HEAD in a repository that was not sent.
 */
export const CHOOSE_BASE = `
if [ -n "$2" ]; then base=$(git rev-parse -q --verify "$2^{commit}") || exit ${NO_BASE}
else base=$(git rev-parse -q --verify '${SENT_REF}^{commit}') || base=$(git rev-parse -q --verify 'HEAD^{commit}') || base=$(git hash-object -t tree /dev/null); fi
`;

/** A script that reads a repository of the guest, and what its failure is called. */
export interface GuestScript extends Abortable {
  argv: readonly string[];
  guestPath: string;
  /** as the user gave it, when the script got one */
  baseCommit?: string | undefined;
  /** `export`, as in "Cannot export" */
  verb: string;
  /** more exit statuses and what they mean, with a hint */
  reasons?: Readonly<Record<number, [why: string, hint?: string]>>;
}

/**
 * Runs a script and returns its output in pieces.
 *
 * @throws {AppError} while iterating: WORKSPACE_EXPORT_FAILED; and the errors of `BangerClient.exec`.
 */
export async function* outputOfScript(
  client: BangerClient,
  ref: string,
  script: GuestScript,
): AsyncGenerator<Buffer, void, undefined> {
  const { argv, signal } = script;
  using session = await client.exec(ref, { argv: [...argv], cwd: '/' }, { signal });
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
        if (status === 0) return;
        throw scriptFailed(status, script, stderr);
      }
    }
  }
}

function scriptFailed(
  status: number | undefined,
  { guestPath, baseCommit, verb, reasons }: GuestScript,
  stderr: string,
): AppError {
  const own = status === undefined ? undefined : reasons?.[status];
  const [why, hint] = own ?? reasonOf(status, baseCommit);
  const cause = printable(stderr);
  return new AppError('WORKSPACE_EXPORT_FAILED', `Cannot ${verb} "${guestPath}" of the guest: ${why}`, {
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

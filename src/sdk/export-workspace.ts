import type { Abortable } from '../base/abort.ts';
import { AppError, printable } from '../base/errors.ts';
import type { BangerClient } from './client.ts';

/** Which repository to export; default: the VM's workspace. */
export interface ExportOptions extends Abortable {
  /** a folder of the repository in the guest, absolute */
  guestPath: string;
  /**
   * commit at which the patch starts; default: the guest's HEAD, so that commits made in the guest are not in
   * the patch
   */
  baseCommit?: string | undefined;
}

/** Exit statuses of {@link SCRIPT}. */
const NO_FOLDER = 91;
const NO_REPOSITORY = 92;
const NO_BASE = 93;

/**
 * Prints a patch from the commit $2 (HEAD when empty) to the current files, with untracked files and without
 * ignored ones. It uses a copy of the index and a separate object folder, so it does not change the
 * repository. It uses only plumbing commands, because no configuration changes what they do.
 */
const SCRIPT = `
cd "$1" 2>/dev/null || exit ${NO_FOLDER}
root=$(git rev-parse --show-toplevel) && git=$(git rev-parse --absolute-git-dir) && cd "$root" || exit ${NO_REPOSITORY}
if [ -n "$2" ]; then base=$(git rev-parse -q --verify "$2^{commit}") || exit ${NO_BASE}
else base=$(git rev-parse -q --verify 'HEAD^{commit}') || base=$(git hash-object -t tree /dev/null); fi
objects=$(git rev-parse --git-path objects) || exit
temp=$(mktemp -d) || exit
trap 'rm -rf "$temp"' EXIT
if [ -e "$git/index" ]; then cp -p "$git/index" "$temp/index" || exit; fi
mkdir "$temp/objects" || exit
export GIT_INDEX_FILE="$temp/index" GIT_OBJECT_DIRECTORY="$temp/objects" GIT_ALTERNATE_OBJECT_DIRECTORIES="$objects"
git -c core.splitIndex=false add --all || exit
git diff-index --cached --binary --full-index --no-renames -p "$base" >"$temp/patch" || exit
cat "$temp/patch"
`;

/** Most of stderr that an error quotes. */
const MAX_STDERR_CHARS = 2000;

/**
 * Returns the changes in a VM's repository as a patch for git-apply(1), in pieces; no piece when there are no
 * changes. Does not change the guest's index, refs and objects.
 *
 * @throws {AppError} while iterating: WORKSPACE_EXPORT_FAILED, before the first piece unless the guest is
 * lost; and the errors of `BangerClient.exec`.
 */
export async function* exportWorkspace(
  client: BangerClient,
  ref: string,
  { guestPath, baseCommit, signal }: ExportOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const argv = ['sh', '-c', SCRIPT, 'export', guestPath, baseCommit ?? ''];
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
        if (status === 0) return;
        throw exportFailed(status, { guestPath, baseCommit, stderr });
      }
    }
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
    case NO_FOLDER:
      return ['there is no such folder', 'give the right one with --guest-path'];
    case NO_REPOSITORY:
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

import type { Abortable } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import { READ_FILES } from '../../protocol/workspace-state.ts';
import type { BangerClient } from '../client.ts';
import { type ChangedFile, parseChanges } from './changed-files.ts';
import { CHOOSE_BASE, outputOfScript } from './guest-script.ts';

/** Which changes of which repository. */
export interface DiffOptions extends Abortable {
  /** a folder of the repository in the guest, absolute */
  guestPath: string;
  /** as `ExportOptions` has it */
  baseCommit?: string | undefined;
  /** git's pathspecs, from the top of the repository; default: everything */
  paths?: readonly string[];
}

/** Most bytes of a list of changed files: some hundred thousand of them. */
const MAX_LIST_BYTES = 64 * 1024 * 1024;

/**
 * Prints what differs from the base, in the format that `$3` names, in the paths after it. A patch is printed
 * when it is whole: its reader may be `git apply`.
 */
const SCRIPT = `${READ_FILES}${CHOOSE_BASE}
how=$3
shift 3
case $how in
list) set -- --raw --numstat -z --no-abbrev "$base" -- "$@" ;;
text) set -- -p "$base" -- "$@" ;;
*) set -- -p --binary --full-index "$base" -- "$@" ;;
esac
git diff-index --cached --no-renames "$@" >"$temp/diff" && cat "$temp/diff"
`;

/** How a diff is printed: for `git apply`, for people (without the content of binary files), or as a list. */
export type DiffFormat = 'patch' | 'text' | 'list';

/** The command whose output in the guest is the diff. */
function diffCommand(
  { guestPath, baseCommit, paths = [] }: Omit<DiffOptions, 'signal'>,
  format: DiffFormat,
): [string, ...string[]] {
  return ['sh', '-c', SCRIPT, 'diff', guestPath, baseCommit ?? '', format, ...paths];
}

/**
 * Returns what was changed in a VM's repository as a diff, in pieces. The guest's index, refs, objects and
 * note of what was exported stay as they are. What it prints is the guest's: anything.
 *
 * @throws {AppError} while iterating: as `exportWorkspace`
 */
export function diffWorkspace(
  client: BangerClient,
  ref: string,
  { format, ...options }: DiffOptions & { format: Exclude<DiffFormat, 'list'> },
): AsyncGenerator<Buffer, void, undefined> {
  const { guestPath, baseCommit, signal } = options;
  const argv = diffCommand(options, format);
  return outputOfScript(client, ref, { argv, guestPath, baseCommit, verb: 'compare', signal });
}

/**
 * Returns the files that {@link diffWorkspace} would show.
 *
 * @throws {AppError} as `exportWorkspace`; also WORKSPACE_EXPORT_FAILED when the list is too long, or is none
 * of git's
 */
export async function changedFiles(
  client: BangerClient,
  ref: string,
  options: DiffOptions,
): Promise<ChangedFile[]> {
  const { guestPath, baseCommit, signal } = options;
  const argv = diffCommand(options, 'list');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of outputOfScript(client, ref, {
    ...{ argv, guestPath, baseCommit, verb: 'compare', signal },
  })) {
    bytes += chunk.length;
    if (bytes > MAX_LIST_BYTES) throw badList(guestPath, 'the list of changed files is too long');
    chunks.push(chunk);
  }
  const found = parseChanges(Buffer.concat(chunks));
  if (!found) throw badList(guestPath, 'the guest sent something else than a list of changed files');
  return found;
}

function badList(guestPath: string, why: string): AppError {
  return new AppError('WORKSPACE_EXPORT_FAILED', `Cannot compare "${guestPath}" of the guest: ${why}`, {
    hint: 'name fewer paths',
    details: { guestPath },
  });
}

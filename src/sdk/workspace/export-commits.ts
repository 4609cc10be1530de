import { READ_STATE, SENT_REF } from '../../protocol/workspace-state.ts';
import type { BangerClient } from '../client.ts';
import { type ExportOptions, FORGET_PENDING, NOTE_PENDING, noteExported } from './export-workspace.ts';
import { NO_BASE, outputOfScript } from './guest-script.ts';

/** How commits are exported: a bundle for git-fetch(1), or mails with patches for git-am(1). */
export type CommitsFormat = 'bundle' | 'am';

/** Exit status of {@link SCRIPT} when no tree was sent and no base is given. */
const NOT_SENT = 96;

/**
 * Prints the commits of HEAD that `$2` does not reach, by default the HEAD that was sent last; nothing when
 * there are none. The state counts as exported when the commits have all of it.
 */
const SCRIPT = `${READ_STATE}${FORGET_PENDING}
git rev-parse -q --verify 'HEAD^{commit}' >/dev/null || exit 0
if [ -n "$2" ]; then base=$(git rev-parse -q --verify "$2^{commit}") || exit ${NO_BASE}
elif git rev-parse -q --verify ${SENT_REF} >/dev/null; then base=$(git rev-parse -q --verify '${SENT_REF}^1^{commit}') || base=
else exit ${NOT_SENT}; fi
[ "$(git rev-list --max-count=1 HEAD \${base:+"^$base"})" ] || exit 0
if [ "$3" = am ]; then
  git format-patch -q --stdout --binary --full-index --no-signature --root HEAD \${base:+"^$base"} >"$temp/commits" || exit
else
  branch=$(git symbolic-ref -q HEAD) || branch=
  git bundle create -q "$temp/commits" HEAD \${branch:+"$branch"} \${base:+"^$base"} || exit
fi
cat "$temp/commits" || exit
[ "$3" = bundle ] && [ "$tree" = "$(git rev-parse 'HEAD^{tree}')" ] || exit 0
[ -z "$base" ] || git merge-base --is-ancestor "$base" ${SENT_REF} 2>/dev/null || exit 0
${NOTE_PENDING}
exit 0
`;

/** The command whose output in the guest are the commits. */
function commitsCommand(
  { guestPath, baseCommit }: Pick<ExportOptions, 'guestPath' | 'baseCommit'>,
  format: CommitsFormat,
): [string, ...string[]] {
  return ['sh', '-c', SCRIPT, 'commits', guestPath, baseCommit ?? '', format];
}

/**
 * Returns the commits that were made in a VM's repository, in pieces; no piece when there are none. Does not
 * change the guest's index, refs and objects. A bundle that has the whole state of the repository counts as
 * an export of it.
 *
 * @throws {AppError} while iterating: WORKSPACE_EXPORT_FAILED; and the errors of `BangerClient.exec`.
 */
export async function* exportCommits(
  client: BangerClient,
  ref: string,
  { format, ...options }: ExportOptions & { format: CommitsFormat },
): AsyncGenerator<Buffer, void, undefined> {
  const { guestPath, baseCommit, signal } = options;
  const argv = commitsCommand(options, format);
  yield* outputOfScript(client, ref, {
    ...{ argv, guestPath, baseCommit, verb: 'export the commits of', signal },
    reasons: {
      [NOT_SENT]: ['no working tree was copied there', 'say where its commits begin: --base-commit SHA'],
    },
  });
  await noteExported(client, ref, { guestPath, signal });
}

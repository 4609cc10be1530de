import {
  EXPORTED_STATE,
  NO_COMMIT,
  READ_STATE,
  SENT_REF,
  STATE_FOLDER,
} from '../../../../protocol/workspace-state.ts';

/** Exit status of the pull's command in a repository that was not sent. */
export const NOT_SENT = 96;

/** Name in the git folder of the state that a pull has read, until the host has applied it. */
const PENDING_STATE = `${STATE_FOLDER}/pulling`;

/**
 * Prints what `adapters/workspace/pull/guest/guest-answer.ts` describes: the tree that was sent, the present
 * state, the files that differ, and then the contents that are asked for on its input. Messages of programs
 * would mix with that, so there are none.
 */
const SCRIPT = `exec 2>/dev/null
${READ_STATE}
sent=$(git rev-parse -q --verify '${SENT_REF}^{commit}') || exit ${NOT_SENT}
git diff-index --cached --raw -z --no-renames --no-abbrev "$sent" >"$temp/list" || exit
mkdir -p "$git/${STATE_FOLDER}" && printf '%s\\n' "$state" >"$git/${PENDING_STATE}" || exit
printf 'banger-pull 1\\n%s\\n%s\\n%s\\n' "$sent" "$state" "$(wc -c <"$temp/list")" || exit
cat "$temp/list" || exit
git cat-file --batch --buffer
`;

/** Exit status of {@link commitsCommand} when there is nothing to pull. */
export const NO_NEW_COMMITS = 97;

/**
 * Prints the commits of HEAD that were made since the tree was sent, and whether everything is committed:
 *
 *     banger-commits 1\n
 *     <commit of HEAD> <"clean" or "dirty">\n
 *     <a pack, whose deltas may begin at objects that the host has>
 */
const COMMITS_SCRIPT = `exec 2>/dev/null
${READ_STATE}
git rev-parse -q --verify ${SENT_REF} >/dev/null || exit ${NOT_SENT}
head=$(git rev-parse -q --verify 'HEAD^{commit}') || exit ${NO_NEW_COMMITS}
base=$(git rev-parse -q --verify '${SENT_REF}^1^{commit}') || base=
[ "$(git rev-list --max-count=1 HEAD \${base:+"^$base"})" ] || exit ${NO_NEW_COMMITS}
is=dirty
[ "$tree" = "$(git rev-parse 'HEAD^{tree}')" ] && is=clean
printf 'banger-commits 1\\n%s %s\\n' "$head" "$is" || exit
printf '%s\\n' "$head" \${base:+"^$base"} | git pack-objects -q --revs --stdout --delta-base-offset --thin
`;

/** The command that prints the commits of a guest. */
export function commitsCommand(guestPath: string): [string, ...string[]] {
  return ['sh', '-c', COMMITS_SCRIPT, 'commits', guestPath];
}

/**
 * Notes that the host has the state that a pull has read: it counts as exported, unless commits were made on
 * the one that was sent, because a pull of files brings none.
 */
const NOTE_SCRIPT = `
cd "$1" && git=$(git rev-parse --absolute-git-dir) || exit
[ -e "$git/${PENDING_STATE}" ] || exit 0
base=$(git rev-parse -q --verify '${SENT_REF}^1') || base=${NO_COMMIT}
read -r commit tree <"$git/${PENDING_STATE}" || exit
if [ "$commit" = "$base" ]; then exec mv "$git/${PENDING_STATE}" "$git/${EXPORTED_STATE}"; fi
rm -f "$git/${PENDING_STATE}"
`;

/** Forgets what counts as exported: an undo takes it from the host. */
const FORGET_SCRIPT = `
cd "$1" && git=$(git rev-parse --absolute-git-dir) || exit
rm -f "$git/${EXPORTED_STATE}" "$git/${PENDING_STATE}"
`;

/** The command of a pull in the guest. */
export function pullCommand(guestPath: string): [string, ...string[]] {
  return ['sh', '-c', SCRIPT, 'pull', guestPath];
}

/** The command with which the guest notes that everything was pulled. */
export function notePulledCommand(guestPath: string): [string, ...string[]] {
  return ['sh', '-c', NOTE_SCRIPT, 'note', guestPath];
}

/** The command with which the guest notes that nothing of it counts as exported. */
export function forgetPulledCommand(guestPath: string): [string, ...string[]] {
  return ['sh', '-c', FORGET_SCRIPT, 'forget', guestPath];
}

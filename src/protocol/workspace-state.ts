/**
 * The state of a repository in the guest: the commit of HEAD and the tree of its files, untracked ones
 * included, ignored ones not. Files in the guest's `.git` hold the states that the host has too:
 *
 *     .git/banger/prepared   the state that was copied          <commit or "none"> <tree>\n
 *     .git/banger/exported   the state that was last exported   the same
 *
 * They are in the guest, so that a copy of the VM has them and a restored snapshot has its own.
 */
export const STATE_FOLDER = 'banger';

/** The file of the state that was copied. */
export const PREPARED_STATE = `${STATE_FOLDER}/prepared`;

/** The file of the state that was last exported. */
export const EXPORTED_STATE = `${STATE_FOLDER}/exported`;

/** In a state, in place of the commit of a branch that has none. */
export const NO_COMMIT = 'none';

/** Exit status of {@link READ_STATE} for a folder that does not exist. */
export const STATE_NO_FOLDER = 91;

/** Exit status of {@link READ_STATE} for a folder that is in no repository. */
export const STATE_NO_REPOSITORY = 92;

/**
 * Shell lines (POSIX) that read the state of the repository that contains the folder `$1`. They work on a
 * copy of the index and put new objects elsewhere, so that the repository does not change; an EXIT trap
 * deletes both. They use only plumbing commands, which no configuration changes, and few of them, because an
 * emulated guest takes long to start each. They leave `$git` (the git folder), `$temp` (a folder), `$state`,
 * and an environment in which the index contains all files.
 */
export const READ_STATE = `
cd "$1" 2>/dev/null || exit ${STATE_NO_FOLDER}
places=$(git rev-parse --path-format=absolute --show-toplevel --git-dir --git-path objects) || exit ${STATE_NO_REPOSITORY}
{ read -r root; read -r git; read -r objects; } <<END
$places
END
cd "$root" || exit ${STATE_NO_REPOSITORY}
temp=$(mktemp -d) || exit
trap 'rm -rf "$temp"' EXIT
if [ -e "$git/index" ]; then cp -p "$git/index" "$temp/index" || exit; fi
mkdir "$temp/objects" || exit
export GIT_INDEX_FILE="$temp/index" GIT_OBJECT_DIRECTORY="$temp/objects" GIT_ALTERNATE_OBJECT_DIRECTORIES="$objects"
git -c core.splitIndex=false add --all || exit
tree=$(git write-tree --missing-ok) || exit
state="$(git rev-parse -q --verify HEAD || echo ${NO_COMMIT}) $tree"
`;

/** Lines after {@link READ_STATE} that record the state as the one that was copied. */
export const MARK_PREPARED = `
mkdir -p "$git/${STATE_FOLDER}" && printf '%s\\n' "$state" >"$git/${PREPARED_STATE}"
`;

/**
 * The ref in a guest's repository that names the tree which was sent last, as a commit of its own on top of
 * the HEAD it was sent with. `git log` and branches do not show it, and it keeps `git gc` from deleting the
 * objects. It is in the guest, so that a copy of the VM has it and a restored snapshot has its own.
 */
export const SENT_REF = 'refs/banger/sent';

/** Message, author and date of that commit: the same tree on the same HEAD has the same name everywhere. */
export const SENT_COMMIT = {
  message: 'The working tree as it was sent to this VM',
  person: 'banger <banger@localhost>',
  date: '0 +0000',
} as const;

/** Folder of `.git` in the guest for files that only banger uses. */
export const STATE_FOLDER = 'banger';

/**
 * File in `.git` with the state of the repository as it was last exported: the commit of HEAD and the tree of
 * its files, untracked ones included, ignored ones not.
 *
 *     <commit or "none"> <tree>\n
 */
export const EXPORTED_STATE = `${STATE_FOLDER}/exported`;

/** In a state, in place of the commit of a branch that has none. */
export const NO_COMMIT = 'none';

/**
 * The value of `core.fsmonitor` in a guest's large repository, with which its git asks the agent which files
 * have changed: lines of the guest's shell, to which git adds its arguments. They fail without a word where
 * there is no agent, in a container for example, and git then looks at all files.
 */
export const ASK_AGENT = 'test -S /run/banger/changes && exec /run/banger/agent changes 2>/dev/null';

/** Exit status of {@link READ_STATE} for a folder that does not exist. */
export const STATE_NO_FOLDER = 91;

/** Exit status of {@link READ_STATE} for a folder that is in no repository. */
export const STATE_NO_REPOSITORY = 92;

/**
 * Settings of git with which files of Git LFS are stored as they are on disk, as the host has stored those
 * that it sent, whether the guest has git-lfs or not. A patch then has their content, which the host can
 * apply.
 */
export const WITHOUT_LFS = '-c filter.lfs.clean= -c filter.lfs.process= -c filter.lfs.required=false';

/**
 * Shell lines (POSIX) that read the files of the repository that contains the folder `$1`. They work on a
 * copy of the index and put new objects elsewhere, so that the repository does not change; an EXIT trap
 * deletes both. They use only plumbing commands, which no configuration changes, and few of them, because an
 * emulated guest takes long to start each. They leave `$git` (the git folder), `$temp` (a folder), and an
 * environment in which the index contains all files.
 */
export const READ_FILES = `
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
git -c core.splitIndex=false -c core.safecrlf=false ${WITHOUT_LFS} add --all || exit
`;

/**
 * {@link READ_FILES}, and lines that leave the tree of the files in `$tree`, and with HEAD in `$state`. Git
 * hashes every folder for that, so what only compares files does without.
 */
export const READ_STATE = `${READ_FILES}
tree=$(git write-tree --missing-ok) || exit
state="$(git rev-parse -q --verify HEAD || echo ${NO_COMMIT}) $tree"
`;

/** Exit status with which the guest's shell refuses a delta that would overwrite changes of the guest. */
export const GUEST_DIFFERS = 95;

/** Lines after {@link READ_STATE} that leave in `$sent` the state as it was sent; empty when none was. */
export const READ_SENT = `
sent=
if sent_tree=$(git rev-parse -q --verify '${SENT_REF}^{tree}'); then
  sent="$(git rev-parse -q --verify '${SENT_REF}^1' || echo ${NO_COMMIT}) $sent_tree"
fi
`;

/** A command after {@link READ_STATE}: succeeds when the present state is the one that was last exported. */
export const IS_EXPORTED = `[ -f "$git/${EXPORTED_STATE}" ] && [ "$(cat "$git/${EXPORTED_STATE}")" = "$state" ]`;

/** Lines after {@link READ_STATE}: the present state counts as the one that was sent. */
export const MARK_SENT = `
cp -R "$temp/objects/." "$objects/" || exit
unset GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
export GIT_AUTHOR_NAME=banger GIT_AUTHOR_EMAIL=banger@localhost GIT_AUTHOR_DATE='@${SENT_COMMIT.date}'
export GIT_COMMITTER_NAME=banger GIT_COMMITTER_EMAIL=banger@localhost GIT_COMMITTER_DATE='@${SENT_COMMIT.date}'
case $state in
${NO_COMMIT}*) commit=$(git commit-tree -m '${SENT_COMMIT.message}' "$tree") ;;
*) commit=$(git commit-tree -p HEAD -m '${SENT_COMMIT.message}' "$tree") ;;
esac
[ -n "$commit" ] && git update-ref ${SENT_REF} "$commit"
`;

/**
 * A line that notes in the file `name` of `.git/banger` that this shell is changing the working tree, whose
 * top is the current folder.
 */
export function noteRunning(name: string): string {
  return `{ read -r boot </proc/sys/kernel/random/boot_id; echo "$$ $boot" >.git/banger/${name}; } 2>/dev/null`;
}

/**
 * A line that has the files of a guest's working tree on its disk before a name says that they are there:
 * ext4 writes names before delayed data, so a guest that is killed would have empty files. Only where an
 * agent runs: a guest has few other files to write, but the host of a test very many.
 */
export const SYNC = 'if [ -e /run/banger/agent ]; then sync -f . 2>/dev/null || sync; fi';

/**
 * Lines that wait, for a minute at most, until the shells have ended that {@link noteRunning} has noted and
 * whose host has hung up: two that make the same change would disturb each other.
 */
export function waitForRunning(names: readonly string[]): string {
  return `
for left in ${names.join(' ')}; do
  if [ ! -e ".git/banger/$left" ]; then continue; fi
  read -r pid boot <".git/banger/$left"
  read -r now </proc/sys/kernel/random/boot_id
  tries=0
  while [ "$boot" = "$now" ] && kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 600 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  rm -f ".git/banger/$left" || exit
done`;
}

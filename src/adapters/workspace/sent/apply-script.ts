import { GUEST_DIFFERS, noteRunning, SYNC, WITHOUT_LFS } from '../../../protocol/workspace-state.ts';
import { nulList } from '../git/nul-list.ts';
import { foldersOf, type TreeChange } from './tree-changes.ts';

/**
 * The files with which a guest's shell applies a delta, by name, as latin1. The delta lies in the guest's
 * `.git/banger`: `incoming` has the new files as they are in the tree, `meta` has these:
 *
 *     old, new        entries before and after, for `git update-index -z --index-info`
 *     structure.sh    paths to look at: `f` for folders, `p` for files to be made, `g` for files of `.git`
 *     deleted, folders, git-deleted   names, each ended by NUL
 *     filtered        names of files with a filter among `old`, each ended by NUL
 *     git/            small files of `.git`
 *     index-tree      the tree of the index that the guest was sent
 *     discard         exists when what is in the way may be deleted
 *     pack-*, refs, HEAD, index       objects, input of `git update-ref`, the new HEAD and index
 *     ready           exists from the moment at which the change begins: it is finished, never undone
 *
 * `apply.sh FOLDER` (FOLDER is the top of the working tree) checks, then applies. It exits with
 * {@link GUEST_DIFFERS} when something in the way is not as it was sent; then it has changed nothing, and
 * prints parts that end with an empty name: the raw diffs of the working tree to `old` and to `new`, the
 * names found by `structure.sh`, and of the files in `filtered` the entries of the guest's own index and a
 * raw diff to it. With `force` it does not check, and with `check` it does nothing else. A working tree whose
 * top belongs to another user than root belongs to that user as a whole afterwards.
 */
export function applyFiles(
  changes: readonly TreeChange[],
  gitChanges: readonly GitFileChange[],
  { filtered, submodules }: { filtered: ReadonlySet<string>; submodules: readonly string[] },
): Map<string, string> {
  const deleted = changes.filter(({ after }) => !after).map(({ path }) => path);
  const made = changes.filter(({ after }) => after);
  const within = [...changes.map(({ path }) => path), ...submodules.map((path) => `${path}/`)];
  const parents = foldersOf(within).reverse();
  return new Map([
    ['old', changes.flatMap(({ path, before }) => entryLine(path, before)).join('')],
    ['new', changes.flatMap(({ path, after }) => entryLine(path, after)).join('')],
    [
      'structure.sh',
      [
        ...parents.map((path) => `f ${quoted(path)}\n`),
        ...made.map(({ path, before }) => `p ${quoted(path)} ${before ? 'old' : 'new'}\n`),
        ...gitChanges.map(
          ({ name, before, after }) => `g ${quoted(name)} ${before ?? 'none'} ${after ?? 'none'}\n`,
        ),
      ].join(''),
    ],
    ['deleted', nulList(deleted)],
    [
      'filtered',
      nulList(changes.filter((each) => each.before && filtered.has(each.path)).map(({ path }) => path)),
    ],
    ['git-deleted', nulList(gitChanges.filter(({ after }) => !after).map(({ name }) => name))],
    ['folders', nulList(foldersOf(deleted))],
    ['apply.sh', APPLY_SCRIPT],
  ]);
}

/** A small file of `.git` that differs, with the names of its blobs. */
export interface GitFileChange {
  name: string;
  before?: string | undefined;
  after?: string | undefined;
}

function entryLine(path: string, entry: TreeChange['before']): string[] {
  return entry ? [`${entry.mode} ${entry.object}\t${path}\0`] : [];
}

/** A word for a POSIX shell, whatever its bytes are. */
function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}

const APPLY_SCRIPT = `
cd "$1" || exit
b=.git/banger m=.git/banger/meta in=.git/banger/incoming
differing() {
  rm -f "$b/check-index"
  check update-index -z --index-info <"$m/$1" || exit
  # Compares contents, for which it needs the objects; the other way hashes every file that it is given.
  check -c diff.autoRefreshIndex=true diff --raw -z --no-renames --no-ext-diff --no-textconv --ignore-submodules \\
    -O/dev/null >"$m/$1-diff" 2>/dev/null && return
  check update-index -q --refresh >/dev/null
  check diff-files --raw -z --no-renames >"$m/$1-diff" || exit
}
check() { GIT_INDEX_FILE="$PWD/$b/check-index" git -c core.fsmonitor=false -c core.safecrlf=false ${WITHOUT_LFS} "$@"; }
if [ "$2" != force ] && [ ! -e "$m/ready" ]; then
  : >"$m/old-diff"
  if [ -s "$m/old" ]; then differing old; fi
  f() { if [ -L "$1" ] || { [ -e "$1" ] && [ ! -d "$1" ]; }; then printf '%s\\0' "$1"; fi; }
  p() {
    if [ "$2" = old ]; then return; fi
    if [ -d "$1" ] && [ ! -L "$1" ]; then find "./$1" ! -type d -print0
    elif [ -e "$1" ] || [ -L "$1" ]; then printf '%s\\0' "$1"; fi
  }
  g() {
    now=none
    if [ -f ".git/$1" ]; then now=$(git hash-object --no-filters -- ".git/$1") || exit; fi
    if [ "$now" != "$2" ] && [ "$now" != "$3" ]; then printf '.git/%s\\0' "$1"; fi
  }
  . "$m/structure.sh" >"$m/found" || exit
  if [ -e "$m/index-tree" ] && [ -e .git/index ] && now=$(git write-tree --missing-ok 2>/dev/null) &&
    [ "$now" != "$(cat "$m/index-tree")" ]; then
    git diff-index --cached --name-only -z HEAD >>"$m/found" || exit
  fi
  if [ -s "$m/old-diff" ] || [ -s "$m/found" ]; then
    : >"$m/new-diff"
    if [ -s "$m/new" ]; then differing new; fi
    cat "$m/old-diff" && printf '\\0' && cat "$m/new-diff" && printf '\\0' && cat "$m/found" && printf '\\0' || exit
    # Without its filter, the content of a file does not say whether it was changed; the index does.
    if [ -s "$m/filtered" ] && [ -e .git/index ]; then
      xargs -0 git --literal-pathspecs ls-files --stage -z -- <"$m/filtered" && printf '\\0' || exit
      xargs -0 git --literal-pathspecs diff-files --raw -z --no-renames -- <"$m/filtered" && printf '\\0' || exit
    fi
    exit ${GUEST_DIFFERS}
  fi
  if [ "$2" = check ]; then exit 0; fi
fi
trap '' HUP INT TERM PIPE
${noteRunning('running')}
${SYNC}
: >"$m/ready" || exit
for idx in "$m"/pack-*.idx; do
  for part in "\${idx%.idx}.promisor" "\${idx%.idx}.pack" "$idx"; do
    if [ -e "$part" ]; then mv -f "$part" .git/objects/pack/ || exit; fi
  done
done
if [ -s "$m/deleted" ]; then xargs -0 rm -f -- <"$m/deleted" || exit; fi
g() { :; }
f() { if [ -L "$1" ] || { [ -e "$1" ] && [ ! -d "$1" ]; }; then rm -f -- "$1"; fi; }
p() {
  if [ -d "$1" ] && [ ! -L "$1" ]; then
    if [ -e "$m/discard" ]; then rm -rf -- "$1"; else find "./$1" -depth -type d -delete; fi
  fi
}
. "$m/structure.sh" || exit
if [ -s "$m/folders" ]; then xargs -0 rmdir -- <"$m/folders" 2>/dev/null; fi
if [ -d "$in" ]; then
  cp -RlPT --remove-destination "$in" . 2>/dev/null ||
    cp -RPT --remove-destination --preserve=mode,timestamps "$in" . || exit
fi
if [ -s "$m/git-deleted" ]; then (cd .git && xargs -0 rm -rf --) <"$m/git-deleted" || exit; fi
if [ -d "$m/git" ]; then cp -R "$m/git/." .git/ || exit; fi
if [ -s "$m/refs" ]; then git update-ref --stdin <"$m/refs" || exit; fi
for name in HEAD index; do
  if [ -e "$m/$name" ]; then cp -p "$m/$name" ".git/$name.banger" && mv -f ".git/$name.banger" ".git/$name" || exit; fi
done
if [ -d "$m/git" ] || [ -e "$m/HEAD" ] || [ -e "$m/index" ]; then
${SYNC}
fi
owner=$(stat -c %u:%g . 2>/dev/null)
case $owner in
  '' | 0:*) ;;
  *) find . -xdev -user 0 -exec chown -h "$owner" {} + || exit ;;
esac
rm -rf "$m" "$in" "$b/check-index" "$b/running"
`;

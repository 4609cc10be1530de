import { SENT_REF } from '../../../protocol/workspace-state.ts';

/** What of a file of refs `grep` prints: the commit or the target of a loose ref, and packed branches. */
const LINES = `^[0-9a-f]{40,64}$|^ref: refs/|^[0-9a-f]{40,64} (refs/heads/|${SENT_REF}$)`;

/**
 * Lines for the top of a guest's repository that print its branches and {@link SENT_REF}. Git takes three
 * times as long to start in an emulated guest as `grep`, which reads the files in which git keeps refs
 * (gitrepository-layout(5)) unless they are in a table. Packed refs come last, because git packs a ref before
 * it deletes the file of its own.
 */
export const PRINT_REFS = `
if [ -e .git/reftable ]; then
  git for-each-ref --format='%(objectname) %(refname)' refs/heads ${SENT_REF} || exit
else
  set --
  for refs in .git/refs/heads .git/${SENT_REF} .git/packed-refs; do
    if [ -e "$refs" ]; then set -- "$@" "$refs"; fi
  done
  if [ $# -gt 0 ]; then
    LC_ALL=C grep -raHE '${LINES}' "$@"
    [ $? -le 1 ] || exit 1
  fi
fi
`;

/**
 * A name of a ref with its bytes as latin1: git allows no space and no control character. Not `\\S`, which
 * excludes bytes that are parts of letters in UTF-8.
 */
export const REF_NAME = 'refs/[^\\x00-\\x20\\x7f:]+';

const LOOSE = new RegExp(`^\\.git/(${REF_NAME}):(.*)$`);
const PACKED = new RegExp(`^(?:\\.git/packed-refs:)?([0-9a-f]{40,64}) (${REF_NAME})$`);

/** How many branches may name one another in a row, as in git. */
const MOST_SYMBOLIC = 5;

/**
 * Parses what {@link PRINT_REFS} prints, as latin1: commits by the names of refs. Ignores lines that are none
 * of these.
 */
export function parseRefs(lines: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of lines) {
    const [, loose = '', value = ''] = LOOSE.exec(line) ?? [];
    if (loose !== '' && !loose.endsWith('.lock')) found.set(loose, value);
    const [, commit = '', name = ''] = PACKED.exec(line) ?? [];
    // A file of its own is newer than the packed ref.
    if (name !== '' && !found.has(name)) found.set(name, commit);
  }
  const refs = new Map<string, string>();
  for (const name of found.keys()) {
    const commit = resolve(found, name);
    if (commit !== undefined) refs.set(name, commit);
  }
  return refs;
}

/** The commit of a ref, which may name another. */
function resolve(found: ReadonlyMap<string, string>, name: string): string | undefined {
  let value = found.get(name);
  for (let nth = 0; nth < MOST_SYMBOLIC && value?.startsWith('ref: '); nth += 1)
    value = found.get(value.slice(5));
  return value !== undefined && /^[0-9a-f]{40,64}$/.test(value) ? value : undefined;
}

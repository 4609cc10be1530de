import { shellWord } from '../../../base/text/shell-word.ts';
import { GUEST_DIFFERS, noteRunning, SYNC } from '../../../protocol/workspace-state.ts';

/*
 * One copy of a working tree may change several repositories of a guest: the one that was asked for and its
 * submodules. The first of them has a journal of all, so that a guest that is killed in the middle, or whose
 * host is, has all old trees or gets all new ones:
 *
 *     .git/banger/
 *       added/<number>/   the tree of a submodule that the guest does not have yet
 *       all               a line for each repository; from the moment at which it exists, the change is
 *                         finished, never undone
 */

/** What is done with a repository of the guest; `folder` is relative to the first one, empty for that. */
export type ApplyStep =
  | { do: 'update'; folder: string; how: 'apply' | 'force' }
  /** moves the tree `number` to the place of a submodule */
  | { do: 'add'; folder: string; number: number };

/** Where the guest has the tree of a new submodule until it is moved. */
export function addedPath(guestPath: string, number: number): string {
  return `${guestPath}/.git/banger/added/${number}`;
}

/**
 * Lines of the guest's shell, in the first repository, that take all steps of its journal. They are
 * idempotent.
 */
export const FINISH_ALL = `
update() {
  if [ -e "$1/.git/banger/incoming/.git" ]; then mv "$1/.git/banger/incoming/.git" "$1/.git/banger/meta" || exit; fi
  if [ -e "$1/.git/banger/meta/apply.sh" ]; then sh "$1/.git/banger/meta/apply.sh" "$PWD/$1" force || exit; fi
}
add() {
  if [ ! -d ".git/banger/added/$1" ]; then return; fi
  if [ -L "$2" ]; then rm -f -- "$2" || exit; fi
  mkdir -p -- "$2" || exit
  # The guest may have made files there meanwhile.
  { rmdir -- "$2" 2>/dev/null && mv -T -- ".git/banger/added/$1" "$2"; } ||
    cp -RPT --remove-destination --preserve=mode,timestamps ".git/banger/added/$1" "$2" || exit
}
. .git/banger/all || exit
rm -rf .git/banger/added .git/banger/all .git/banger/running-all || exit
`;

/** Looks again whether anything is in the way, then writes the journal and takes its steps. */
const RUN_ALL = `
cd "$1" || exit
update() {
  if [ "$2" = apply ]; then sh "$1/.git/banger/meta/apply.sh" "$PWD/$1" check >/dev/null || exit; fi
}
add() {
  if [ -d "$2" ] && [ -n "$(ls -A "$2")" ]; then exit ${GUEST_DIFFERS}; fi
}
. .git/banger/all.new || exit
trap '' HUP INT TERM PIPE
${noteRunning('running-all')}
${SYNC}
mv -f .git/banger/all.new .git/banger/all || exit
${FINISH_ALL}`;

/** In a session of its own, so that it ends its work when the host hangs up in the middle. */
const START_ALL = `
cat >"$1/.git/banger/all.new" || exit
if command -v setsid >/dev/null; then exec setsid -w sh -c "$2" all "$1"; fi
exec sh -c "$2" all "$1"
`;

/** The command that takes all steps; it reads {@link stepLines}. */
export function applyAllCommand(guestPath: string): [string, ...string[]] {
  return ['sh', '-c', START_ALL, 'start', guestPath, RUN_ALL];
}

/** The steps as lines of the guest's shell. */
export function stepLines(steps: readonly ApplyStep[]): string {
  const place = (folder: string): string => shellWord(folder === '' ? '.' : `./${folder}`);
  const line = (step: ApplyStep): string =>
    step.do === 'update'
      ? `update ${place(step.folder)} ${step.how}`
      : `add ${step.number} ${place(step.folder)}`;
  return steps.map((step) => `${line(step)}\n`).join('');
}

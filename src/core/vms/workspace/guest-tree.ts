import type { Abortable } from '../../../base/abort.ts';
import { AppError, printable } from '../../../base/errors.ts';
import {
  IS_EXPORTED,
  READ_STATE,
  SENT_REF,
  STATE_NO_FOLDER,
  STATE_NO_REPOSITORY,
  waitForRunning,
} from '../../../protocol/workspace-state.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { GuestTree } from '../../ports/workspace.ts';
import { FINISH_ALL } from './copy-journal.ts';
import { PRINT_REFS, parseRefs, REF_NAME } from './guest-refs.ts';

/** Most output of the guest's git that is read: names of two million files. */
const MAX_LISTING_BYTES = 256 * 1024 * 1024;

const HEAD_REF = new RegExp(`^ref: (${REF_NAME})$`);

/** Most output about HEAD and the branches. */
const MAX_STATE_BYTES = 16 * 1024 * 1024;

/**
 * Prints HEAD and the refs; exit statuses as those of `READ_STATE`. First it finishes deltas that were being
 * applied (`copy-journal.ts`), and deletes those that were not (`adapters/workspace/sent/apply-script.ts`).
 */
const STATE_SCRIPT = `
cd "$1" 2>/dev/null || exit ${STATE_NO_FOLDER}
b=.git/banger
${waitForRunning(['running-all', 'running'])}
if [ -e "$b/all" ]; then
${FINISH_ALL}
fi
if [ -e "$b/meta/ready" ]; then sh "$b/meta/apply.sh" "$PWD" || exit; fi
for left in meta incoming added all.new; do
  if [ -e "$b/$left" ]; then rm -rf "$b/$left" || exit; fi
done
if [ ! -e .git/HEAD ]; then [ -z "$(ls -A)" ] && exit ${STATE_NO_FOLDER}; exit ${STATE_NO_REPOSITORY}; fi
IFS= read -r head <.git/HEAD
printf '%s\\n' "$head" || exit
${PRINT_REFS}`;

/** The command that prints the state of a repository in the guest. */
export function stateCommand(guestPath: string): [string, ...string[]] {
  return ['sh', '-c', STATE_SCRIPT, 'state', guestPath];
}

/** What is at a path of the guest: nothing, files that no repository tracks, or a repository. */
export type GuestFolder = { kind: 'empty' } | { kind: 'files' } | { kind: 'repository'; tree: GuestTree };

/**
 * Reads what the guest has at `guestPath`. Finishes the work of a prepare that was killed.
 *
 * @throws {AppError} GUEST_*
 */
export async function readGuestTree(
  agent: GuestAgent,
  guestPath: string,
  { signal }: Abortable,
): Promise<GuestFolder> {
  const options = { signal, maxOutputBytes: MAX_STATE_BYTES };
  const { exit, stdout, stderr } = await agent.run({ argv: stateCommand(guestPath), cwd: '/' }, options);
  const status = 'code' in exit ? exit.code : undefined;
  if (status === STATE_NO_FOLDER) return { kind: 'empty' };
  if (status === STATE_NO_REPOSITORY) return { kind: 'files' };
  if (status !== 0) throw gitFailed('read the workspace', stderr);
  return { kind: 'repository', tree: parseState(stdout) };
}

/** Parses what {@link stateCommand} prints; ignores lines that are none of git's. */
export function parseState(output: Buffer): GuestTree {
  const [head = '', ...lines] = output.toString('latin1').split('\n');
  const refs = parseRefs(lines);
  const sentCommit = refs.get(SENT_REF);
  refs.delete(SENT_REF);
  const [, headRef] = HEAD_REF.exec(head) ?? [];
  const headCommit = headRef === undefined ? /^[0-9a-f]{40,64}$/.exec(head)?.[0] : refs.get(headRef);
  return {
    ...(headRef === undefined ? {} : { headRef }),
    ...(headCommit === undefined ? {} : { headCommit }),
    ...(sentCommit === undefined ? {} : { sentCommit }),
    branches: refs,
  };
}

/** `git ls-tree -r -z` of a commit in the guest. @throws {AppError} GUEST_* */
export async function listGuestTree(
  agent: GuestAgent,
  guestPath: string,
  { commit, signal }: Abortable & { commit: string },
): Promise<Buffer> {
  const argv: [string, ...string[]] = ['git', '-C', guestPath, 'ls-tree', '-r', '-z', commit];
  return await outputOf(agent, argv, { signal, what: 'list the tree that was sent' });
}

/** Makes a folder of the guest a repository without commits. @throws {AppError} GUEST_* */
export async function makeRepository(
  agent: GuestAgent,
  guestPath: string,
  { signal }: Abortable,
): Promise<void> {
  const script = 'cd "$1" && git init -q --template= && rm -f .git/config';
  await outputOf(agent, ['sh', '-c', script, 'init', guestPath], { signal, what: 'make a repository' });
}

const OWN_PATHS_SCRIPT = `${READ_STATE}
base=$(git rev-parse -q --verify '${SENT_REF}^{tree}') || base=$(git hash-object -t tree /dev/null)
git diff-index --cached --name-only -z --no-renames "$base"
`;

/**
 * Paths of files, latin1, that the guest has changed since the tree that it was sent last; ignored ones left
 * out. @throws {AppError} GUEST_*
 */
export async function pathsOfGuest(
  agent: GuestAgent,
  guestPath: string,
  { signal }: Abortable,
): Promise<string[]> {
  const argv: [string, ...string[]] = ['sh', '-c', OWN_PATHS_SCRIPT, 'paths', guestPath];
  return namesIn(await outputOf(agent, argv, { signal, what: 'compare the workspace with what was sent' }));
}

const IS_EXPORTED_SCRIPT = `${READ_STATE}
${IS_EXPORTED}
`;

/** Whether the guest's HEAD and files are as they were last exported: the host has all of them. */
export async function isExported(
  agent: GuestAgent,
  guestPath: string,
  { signal }: Abortable,
): Promise<boolean> {
  const argv: [string, ...string[]] = ['sh', '-c', IS_EXPORTED_SCRIPT, 'exported', guestPath];
  const { exit } = await agent.run({ argv }, { signal });
  return 'code' in exit && exit.code === 0;
}

/** Paths that the commits between two commits changed, as far as the guest's git can say. */
export async function pathsOfCommits(
  agent: GuestAgent,
  guestPath: string,
  { from, to, signal }: Abortable & { from: string | undefined; to: string },
): Promise<string[]> {
  const how =
    from === undefined
      ? ['ls-tree', '-r', '--name-only', '-z', to]
      : ['diff-tree', '-r', '--name-only', '-z', '--no-renames', from, to];
  const options = { signal, maxOutputBytes: MAX_LISTING_BYTES };
  const { exit, stdout } = await agent.run({ argv: ['git', '-C', guestPath, ...how] }, options);
  return 'code' in exit && exit.code === 0 ? namesIn(stdout) : [];
}

/** The output of a command of the guest that must succeed. @throws {AppError} GUEST_* */
async function outputOf(
  agent: GuestAgent,
  argv: [string, ...string[]],
  { what, signal }: Abortable & { what: string },
): Promise<Buffer> {
  const { exit, stdout, stderr } = await agent.run({ argv }, { signal, maxOutputBytes: MAX_LISTING_BYTES });
  if ('code' in exit && exit.code === 0) return stdout;
  throw gitFailed(what, stderr);
}

function namesIn(output: Buffer): string[] {
  return output
    .toString('latin1')
    .split('\0')
    .filter((name) => name !== '');
}

/** The failure of git in the guest, with its own words as the cause. */
export function gitFailed(what: string, stderr: Buffer): AppError {
  return new AppError('GUEST_FAILED', `Cannot ${what}: git failed in the guest`, {
    cause: new AppError('GUEST_FAILED', printable(stderr.toString('utf8')) || 'it said nothing'),
  });
}

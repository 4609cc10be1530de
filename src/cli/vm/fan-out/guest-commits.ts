import type { Abortable } from '../../../base/abort.ts';
import { AppError, printable } from '../../../base/errors.ts';
import type { BangerClient } from '../../../sdk/client.ts';

/** A repository in a guest. What its git says is the guest's: anything. */
export interface GuestCommits extends Abortable {
  client: BangerClient;
  vm: { id: string; name: string };
  guestPath: string;
}

/** One commit, and the first line of its message. */
export interface Commit {
  id: string;
  subject: string;
}

/** Most bytes of a list of commits: some hundred thousand of them. */
const MAX_LIST_BYTES = 32 * 1024 * 1024;

const COMMIT_ID = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/** Longest subject that is shown, in characters. */
const MAX_SUBJECT_CHARS = 72;

/**
 * Returns the commit that a name means in the guest's repository.
 *
 * @throws {AppError} WORKSPACE_COMMIT_UNKNOWN when it has none; GUEST_*, as `BangerClient.exec`
 */
export async function findCommit(name: string, commits: GuestCommits): Promise<Commit> {
  const found = await tryGit(
    ['log', '-1', '--no-show-signature', '--format=%H %s', '--end-of-options', name, '--'],
    commits,
  );
  const commit = found === undefined ? undefined : commitOf(found.split('\n')[0] ?? '');
  if (commit) return commit;
  const { vm, guestPath } = commits;
  throw new AppError(
    'WORKSPACE_COMMIT_UNKNOWN',
    `Cannot find the commit "${printable(name)}" in "${guestPath}" of vm "${vm.name}"`,
    {
      hint: `copy all commits of this host into the VM: banger vm workspace prepare ${vm.name} PATH --mode full_copy`,
      details: { value: name, guestPath },
    },
  );
}

/** Lists commits, with the options and in the order of git-rev-list(1). @throws {AppError} GUEST_* */
export async function listCommits(revisions: readonly string[], commits: GuestCommits): Promise<Commit[]> {
  const text = await git(['log', '--no-show-signature', '--format=%H %s', ...revisions, '--'], commits);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => commitOf(line) ?? unreadable(commits));
}

/** Lists commits by id, as git-rev-list(1) prints them; words after an id are left out. */
export async function listIds(revisions: readonly string[], commits: GuestCommits): Promise<string[]> {
  const text = await git(['rev-list', ...revisions, '--'], commits);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const id = line.split(' ')[0] ?? '';
      return COMMIT_ID.test(id) ? id : unreadable(commits);
    });
}

/**
 * Gives a guest the files of a commit. What was changed in files that git tracks is lost; other files stay,
 * unless the commit has files of these names. @throws {AppError} GUEST_FAILED with git's own words
 */
export async function checkOut(id: string, commits: GuestCommits): Promise<void> {
  await git(['checkout', '-q', '--force', '--detach', id, '--'], commits);
}

async function git(args: readonly string[], commits: GuestCommits): Promise<string> {
  const { status, stdout, stderr } = await runGit(args, commits);
  if (status === 0) return stdout;
  const { vm, guestPath } = commits;
  throw new AppError('GUEST_FAILED', `Cannot use git in "${guestPath}" of vm "${vm.name}": it failed`, {
    hint: `look at it: banger vm exec ${vm.name} -- git status`,
    cause: new AppError('GUEST_FAILED', printable(stderr.slice(-2_000)) || 'git printed no message'),
  });
}

async function tryGit(args: readonly string[], commits: GuestCommits): Promise<string | undefined> {
  const { status, stdout } = await runGit(args, commits);
  return status === 0 ? stdout : undefined;
}

async function runGit(
  args: readonly string[],
  { client, vm, guestPath, signal }: GuestCommits,
): Promise<{ status: number | undefined; stdout: string; stderr: string }> {
  const argv = ['git', '-C', guestPath, ...args];
  using session = await client.exec(vm.id, { argv, cwd: '/' }, { signal });
  const { exit, stdout, stderr } = await session.collect({ maxBytes: MAX_LIST_BYTES });
  return {
    status: 'code' in exit ? exit.code : undefined,
    stdout: stdout.toString('utf8'),
    stderr: stderr.toString('utf8'),
  };
}

function commitOf(line: string): Commit | undefined {
  const [id = ''] = line.split(' ');
  if (!COMMIT_ID.test(id)) return undefined;
  return { id, subject: printable(line.slice(id.length + 1)).slice(0, MAX_SUBJECT_CHARS) };
}

function unreadable({ vm, guestPath }: GuestCommits): never {
  throw new AppError(
    'GUEST_FAILED',
    `Cannot read the commits in "${guestPath}" of vm "${vm.name}": the guest sent something else`,
    { hint: `look at it: banger vm exec ${vm.name} -- git log` },
  );
}

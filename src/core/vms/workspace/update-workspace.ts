import type { Abortable } from '../../../base/abort.ts';
import { AppError, printable } from '../../../base/errors.ts';
import { plural, quoteSome } from '../../../base/text/words.ts';
import { GUEST_DIFFERS } from '../../../protocol/workspace-state.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type {
  DeltaBase,
  GuestTree,
  PackedDelta,
  TreeLook,
  WorkspaceContent,
  WorkspaceSource,
} from '../../ports/workspace.ts';
import {
  gitFailed,
  isExported,
  listGuestTree,
  makeRepository,
  pathsOfCommits,
  pathsOfGuest,
  readGuestTree,
} from './guest-tree.ts';

/** A working tree of the host, and where its copy is. */
export interface UpdateRequest extends Abortable {
  vmName: string;
  /** of the host */
  path: string;
  guestPath: string;
  /**
   * of a submodule: its folder below the copy of the repository that was asked for, with a slash at the end
   */
  below?: string;
  content: WorkspaceContent;
  /** folder of the VM in which the host keeps what was sent last */
  keptIn: string;
  /** what a comparison with that has just found */
  look?: TreeLook;
  /** overwrite what the guest has changed */
  isDiscarding: boolean;
}

/** What a guest was sent of one repository. The caller disposes of `packed`. */
export interface StagedUpdate {
  /** of which working tree, and where its copy is */
  request: UpdateRequest;
  packed: PackedDelta & AsyncDisposable;
  bytes: number;
  /**
   * Checks, without changing anything, that applying loses nothing of the guest. Returns how it is then
   * applied, or `undefined` when there is nothing to apply. @throws {AppError} WORKSPACE_GUEST_CHANGED
   */
  check(): Promise<'apply' | 'force' | undefined>;
  /** Checks and applies. @throws {AppError} WORKSPACE_GUEST_CHANGED */
  apply(): Promise<void>;
}

/**
 * Sends a guest that has files at `guestPath` what differs there from the working tree of the host. Nothing
 * is changed before `apply`. Files that only the guest has changed stay as they are.
 *
 * Refuses to move HEAD away from commits that only the guest has, and `apply` to overwrite or delete
 * something that the guest has changed, unless that state was exported. When the host is killed, the guest
 * has the old tree, or finishes the change by itself.
 *
 * Returns `undefined` when the guest has nothing at `guestPath`.
 *
 * @throws {AppError} WORKSPACE_GUEST_CHANGED with `details.paths`; WORKSPACE_*, GUEST_*
 */
export async function stageUpdate(
  source: WorkspaceSource,
  agent: GuestAgent,
  request: UpdateRequest,
): Promise<StagedUpdate | undefined> {
  for (let tries = 1; ; tries += 1) {
    const staged = await stageOnce(source, agent, request);
    if (!staged || staged.bytes === 0) return staged;
    try {
      const changed = await staged.packed.changedMeanwhile();
      if (changed === undefined) return staged;
      if (tries === MOST_TRIES) throw alwaysWritten(request.path, changed);
    } catch (error) {
      await staged.packed[Symbol.asyncDispose]();
      throw error;
    }
    // What has been sent is in the guest, beside its tree; the next try deletes it there.
    await staged.packed[Symbol.asyncDispose]();
  }
}

/**
 * How often a delta is sent because a file was saved while it was packed: the guest would have another
 * content than is noted of it, which the next copy would take for work of the guest.
 */
const MOST_TRIES = 3;

function alwaysWritten(path: string, latin1Name: string): AppError {
  const name = printable(Buffer.from(latin1Name, 'latin1').toString('utf8'));
  return new AppError(
    'WORKSPACE_TAR_FAILED',
    `Cannot send "${path}": "${name}" is being written all the time`,
    {
      hint: 'try again when the program that writes it has ended, or leave the file out of git',
      details: { path, file: name },
    },
  );
}

async function stageOnce(
  source: WorkspaceSource,
  agent: GuestAgent,
  request: UpdateRequest,
): Promise<StagedUpdate | undefined> {
  const { path, guestPath, content, keptIn, look, signal, isDiscarding } = request;
  const asked = readBase(agent, request);
  asked.catch(() => {});
  const packing = source.packDelta(path, {
    ...content,
    ...(look ? { look } : {}),
    ...{ keptIn, base: asked, signal },
  });
  const delta = await packing.finally(() => asked.catch(() => {}));
  const base = await asked;
  if (!delta || !base) return undefined;
  try {
    const own = await ownCommits(source, delta, { base, path, signal });
    if (!isDiscarding && own.length > 0) {
      const branches = own.map(({ name }) => name);
      await refuseUnlessExported(agent, request, {
        branches,
        listPaths: () => changedBy(agent, own, { base, guestPath, signal }),
      });
    }
    if (delta.isEmpty) {
      return { request, packed: delta, bytes: 0, check: async () => undefined, apply: async () => {} };
    }
    const { bytes } = await agent.putTar(`${guestPath}/.git/banger/incoming`, delta.tar, { signal });
    await delta.done;
    /** Runs the script; asks for consent when something is in the way. */
    const tryTo = async (how: ApplyMode): Promise<boolean> => {
      const printed = await runApply(agent, guestPath, { how, signal });
      if (!printed) return true;
      const lost = delta.lostPaths(printed);
      if (lost.length > 0) {
        await refuseUnlessExported(agent, request, { branches: [], listPaths: async () => lost });
      }
      return false;
    };
    return {
      request,
      packed: delta,
      bytes,
      check: async () => (!isDiscarding && (await tryTo('check')) ? 'apply' : 'force'),
      apply: async () => {
        if (!(await tryTo(isDiscarding ? 'force' : 'apply'))) {
          await runApply(agent, guestPath, { how: 'force', signal });
        }
      },
    };
  } catch (error) {
    await delta[Symbol.asyncDispose]();
    throw error;
  }
}

async function readBase(
  agent: GuestAgent,
  { guestPath, isDiscarding, signal }: UpdateRequest,
): Promise<DeltaBase | undefined> {
  const folder = await readGuestTree(agent, guestPath, { signal });
  if (folder.kind === 'empty') return undefined;
  if (folder.kind === 'files') await makeRepository(agent, guestPath, { signal });
  const tree: GuestTree = folder.kind === 'repository' ? folder.tree : { branches: new Map() };
  const { sentCommit } = tree;
  const listTree = (commit: string): Promise<Buffer> => listGuestTree(agent, guestPath, { commit, signal });
  return {
    ...tree,
    ...(sentCommit === undefined ? {} : { listTree: () => listTree(sentCommit) }),
    ...(isDiscarding ? { alsoPaths: await pathsOfGuest(agent, guestPath, { signal }) } : {}),
  };
}

/** A branch, or HEAD, with commits that only the guest has. */
interface OwnCommits {
  name: string;
  from: string | undefined;
  to: string;
}

/** The branches that the delta would move away from commits that the host does not have. */
async function ownCommits(
  source: WorkspaceSource,
  delta: PackedDelta,
  { base, path, signal }: Abortable & { base: DeltaBase; path: string },
): Promise<OwnCommits[]> {
  const { headCommit } = base;
  const found: OwnCommits[] = [];
  if (headCommit !== undefined)
    found.push({ name: base.headRef ?? 'HEAD', from: delta.sentHead, to: headCommit });
  for (const [name, from] of delta.movedBranches) {
    const to = base.branches.get(name);
    if (to !== undefined && to !== from && name !== base.headRef) found.push({ name, from, to });
  }
  const candidates = found.filter(({ from, to }) => from !== to);
  if (candidates.length === 0 || delta.isEmpty) return [];
  const known = await source.hasCommits(
    path,
    candidates.map(({ to }) => to),
    { signal },
  );
  return candidates.filter(({ to }) => !known.has(to));
}

async function changedBy(
  agent: GuestAgent,
  commits: readonly OwnCommits[],
  { base, guestPath, signal }: Abortable & { base: DeltaBase; guestPath: string },
): Promise<string[]> {
  const paths = new Set<string>();
  for (const { from, to } of commits) {
    const begin = from ?? base.sentCommit;
    for (const path of await pathsOfCommits(agent, guestPath, { from: begin, to, signal })) paths.add(path);
  }
  for (const path of await pathsOfGuest(agent, guestPath, { signal })) paths.add(path);
  return [...paths].sort();
}

/**
 * What the guest's script does with a delta that it was sent: look whether something is in the way, apply it
 * unless something is, or apply it.
 */
export type ApplyMode = 'check' | 'apply' | 'force';

/** Runs the script that applies the delta. Returns what the guest's shell printed when it refused. */
async function runApply(
  agent: GuestAgent,
  guestPath: string,
  { how, signal }: Abortable & { how: ApplyMode },
): Promise<Buffer | undefined> {
  const argv = applyCommand(guestPath, how);
  const { exit, stdout, stderr } = await agent.run({ argv }, { signal, maxOutputBytes: MAX_PRINTED_BYTES });
  const status = 'code' in exit ? exit.code : undefined;
  if (status === GUEST_DIFFERS) return stdout;
  if (status !== 0) throw gitFailed('apply the changes', stderr);
  return undefined;
}

/** The command that applies the delta in `.git/banger/incoming` of a guest. */
export function applyCommand(guestPath: string, how: ApplyMode): [string, ...string[]] {
  return ['sh', '-c', START_SCRIPT, 'apply', guestPath, how];
}

/** Most text about files in the way. */
const MAX_PRINTED_BYTES = 256 * 1024 * 1024;

/**
 * The agent applies simple deltas itself, in a fraction of the time that the script's programs take. The
 * script runs in a session of its own, so that it ends its work when the host hangs up in the middle.
 */
const START_SCRIPT = `
b=$1/.git/banger
/run/banger/agent apply-delta "$1" "$2" 2>/dev/null && exit
if [ -e "$b/incoming/.git" ]; then mv "$b/incoming/.git" "$b/meta" || exit; fi
if command -v setsid >/dev/null; then exec setsid -w sh "$b/meta/apply.sh" "$1" "$2"; fi
exec sh "$b/meta/apply.sh" "$1" "$2"
`;

/**
 * Refuses to overwrite what the guest has changed, unless its present state was exported: then the host has
 * all of it. Deletes the delta that was sent. @throws {AppError} WORKSPACE_GUEST_CHANGED
 */
async function refuseUnlessExported(
  agent: GuestAgent,
  request: UpdateRequest,
  { branches, listPaths }: { branches: readonly string[]; listPaths: () => Promise<string[]> },
): Promise<void> {
  const { guestPath, signal } = request;
  if (await isExported(agent, guestPath, { signal })) return;
  const refusal = guestChanged(request, await listPaths(), branches);
  await agent.run({ argv: ['sh', '-c', CLEAN_SCRIPT, 'clean', guestPath] }, { signal });
  throw refusal;
}

/** Without what {@link makeRepository} has made: a repository without commits, branches and index. */
const CLEAN_SCRIPT = `
cd "$1/.git" && rm -rf banger/meta banger/incoming banger/check-index banger/added banger/all.new
[ -e index ] || [ -e config ] || rm -rf "$1/.git"
`;

/** Most paths that a message names; the details have all. */
const NAMED_PATHS = 5;

function guestChanged(
  { vmName, guestPath, below = '' }: UpdateRequest,
  latin1Paths: readonly string[],
  branches: readonly string[],
): AppError {
  const text = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('utf8');
  const paths = latin1Paths.map((path) => below + text(path));
  // A pull takes files of the repository that was sent, and a branch takes the commits.
  const whole = `banger vm workspace pull ${vmName}${branches.length > 0 ? ' --branch NAME' : ''}`;
  const takeOver =
    below === '' ? whole : `banger vm workspace export ${vmName} --guest-path ${guestPath} | git apply`;
  const commits =
    branches.length > 0
      ? `commits on ${branches.map((name) => `"${printable(text(name))}"`).join(', ')}`
      : '';
  const files = paths.length > 0 ? `${plural(paths.length, 'path')}: ${quoteSome(paths, NAMED_PATHS)}` : '';
  return new AppError(
    'WORKSPACE_GUEST_CHANGED',
    `Cannot copy over "${guestPath}" of vm "${vmName}": changes made there would be lost: ${[commits, files].filter(Boolean).join('; ')}`,
    {
      hint: `take them over first (${takeOver}), or overwrite them (banger vm workspace prepare ${vmName} --discard-guest)`,
      // The paths are below the copy of the repository that was asked for.
      details: {
        guestPath: guestPath.slice(0, guestPath.length - below.length),
        paths,
        branches: branches.map(text),
      },
    },
  );
}

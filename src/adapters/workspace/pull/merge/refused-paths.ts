import type { Abortable } from '../../../../base/abort.ts';
import type { PullProblem } from '../../../../protocol/api/workspace-pull.ts';
import { textOf } from '../../workspace-work.ts';
import { type PullGit, readBlob } from '../pull-git.ts';
import type { HostSide } from './host-side.ts';
import type { PlannedStep } from './planned-step.ts';
import { isRunByGit } from './run-by-git.ts';
import { foldedName, unsafeLink } from './unsafe-path.ts';

/** Longer targets are no names of files. */
const MAX_TARGET_BYTES = 4096;

/** All steps that would harm the host, and why. */
export async function refusedPaths(
  steps: readonly PlannedStep[],
  { git, host, runByGit, signal }: Abortable & { git: PullGit; host: HostSide; runByGit: readonly string[] },
): Promise<PullProblem[]> {
  const refused: PullProblem[] = [];
  const gone = new Set(steps.filter(({ action }) => action === 'delete').map(({ path }) => path));
  const added = addedNames(steps);
  for (const step of steps) {
    signal.throwIfAborted();
    const reason =
      (isRunByGit(step.path, runByGit) ? 'git runs it, or reads settings from it' : undefined) ??
      (step.entry?.mode === '120000' ? await refusedLink(git, step, { signal }) : undefined) ??
      (step.action === 'add' ? await collision(step.path, { host, added, gone }) : undefined);
    if (reason !== undefined) refused.push({ path: textOf(step.path), reason });
  }
  return refused;
}

async function refusedLink(
  git: PullGit,
  { path, entry }: PlannedStep,
  { signal }: Abortable,
): Promise<string | undefined> {
  if (!entry) return undefined;
  const { stdout } = await git.run(['cat-file', '-s', entry.object], { signal });
  if (Number(stdout.toString('latin1')) > MAX_TARGET_BYTES) return 'it is a link to no name of a file';
  return unsafeLink(path, (await readBlob(git, entry.object, { signal })).toString('latin1'));
}

/** Every name that is added, with those that some file systems take for it, by their folder. */
function addedNames(steps: readonly PlannedStep[]): Map<string, Set<string>> {
  const names = new Map<string, Set<string>>();
  for (const { path, action } of steps) {
    if (action !== 'add') continue;
    for (const { folder, name } of partsOf(path)) {
      const key = `${folder}\0${foldedName(name)}`;
      names.set(key, (names.get(key) ?? new Set()).add(name));
    }
  }
  return names;
}

/** Which name is in the way of `path` on a file system that ignores case, or how accents are written. */
async function collision(
  path: string,
  { host, added, gone }: { host: HostSide; added: Map<string, Set<string>>; gone: ReadonlySet<string> },
): Promise<string | undefined> {
  for (const { folder, name } of partsOf(path)) {
    const others = new Set(added.get(`${folder}\0${foldedName(name)}`));
    for (const other of await host.similarNames(folder, name)) {
      if (!gone.has(folder === '' ? other : `${folder}/${other}`)) others.add(other);
    }
    others.delete(name);
    const [other] = others;
    if (other !== undefined) return `file systems that ignore case take it for "${textOf(other)}"`;
  }
  return undefined;
}

function partsOf(path: string): { folder: string; name: string }[] {
  const parts = path.split('/');
  return parts.map((name, at) => ({ folder: parts.slice(0, at).join('/'), name }));
}

import type { Abortable } from '../../../base/abort.ts';
import type { Git } from './git-command.ts';
import type { Head } from './staged-repository.ts';

/** One ref of the host's repository. Names are latin1, one character per byte. */
export interface Ref {
  name: string;
  object: string;
  /** the ref that a symbolic ref points to */
  target?: string;
  /** the tracking ref that a local branch is compared with */
  upstream?: string;
}

/** A ref whose commit is part of HEAD's history. */
export interface MergedRef {
  name: string;
  /** the commit it names, through an annotated tag */
  commit: string;
}

/**
 * Always carried, whatever they point to: `git log` replaces and annotates with them, and `git bisect` needs
 * them to continue.
 */
const ALWAYS_CARRIED = /^refs\/(replace\/|bisect\/|notes\/commits$)/;

const LISTED = [
  'refs/heads',
  'refs/remotes',
  'refs/tags',
  'refs/notes/commits',
  'refs/replace',
  'refs/bisect',
];

/** Every ref that could be carried, sorted by name. */
export async function listRefs(git: Git, { signal }: Abortable): Promise<Ref[]> {
  const format = '--format=%(objectname) %(refname) %(symref) %(upstream)';
  const { stdout } = await git.run(['for-each-ref', format, ...LISTED], { signal });
  return splitLines(stdout).map((line) => {
    const [object = '', name = '', target = '', upstream = ''] = line.split(' ');
    return { name, object, ...(target ? { target } : {}), ...(upstream ? { upstream } : {}) };
  });
}

/** The branches, remote branches and tags whose commit is reachable from `commit`. */
export async function listMergedRefs(git: Git, commit: string, { signal }: Abortable): Promise<MergedRef[]> {
  const format = '--format=%(refname) %(objectname) %(*objectname)';
  const args = ['for-each-ref', `--merged=${commit}`, format, 'refs/heads', 'refs/remotes', 'refs/tags'];
  const { stdout } = await git.run(args, { signal });
  return splitLines(stdout).map((line) => {
    const [name = '', object = '', peeled = ''] = line.split(' ');
    return { name, commit: peeled || object };
  });
}

/**
 * The refs outside HEAD's history that people compare their branch with: its upstream, the default branch of
 * each remote, the local branch with that name, `main` and `master`; and those that {@link ALWAYS_CARRIED}
 * names. Excludes symbolic refs. Pure.
 */
export function chooseBaseRefs(refs: readonly Ref[], head: Head): Ref[] {
  const names = new Set(['refs/heads/main', 'refs/heads/master']);
  for (const ref of refs) {
    if (ref.name === head.ref && ref.upstream) names.add(ref.upstream);
    const remoteHead = /^(refs\/remotes\/.+\/)HEAD$/.exec(ref.name);
    if (!remoteHead?.[1] || !ref.target?.startsWith(remoteHead[1])) continue;
    names.add(ref.target);
    names.add(`refs/heads/${ref.target.slice(remoteHead[1].length)}`);
  }
  return refs.filter((ref) => !ref.target && (names.has(ref.name) || ALWAYS_CARRIED.test(ref.name)));
}

/**
 * The guest's refs as files under `.git`: `packed-refs`, and one small file for the default branch of each
 * remote whose target is carried. The format is that of `git pack-refs`; without the word `peeled`, git
 * resolves tags itself. Pure.
 */
export function formatRefs(refs: readonly Ref[], carried: ReadonlySet<string>): Map<string, string> {
  const files = new Map<string, string>();
  const plain = refs.filter((ref) => !ref.target && carried.has(ref.name));
  const lines = plain.map((ref) => `${ref.object} ${ref.name}\n`);
  files.set('packed-refs', `# pack-refs with: sorted \n${lines.join('')}`);
  for (const { name, target } of refs) {
    if (target && carried.has(target) && /^refs\/remotes\/.+\/HEAD$/.test(name)) {
      files.set(name, `ref: ${target}\n`);
    }
  }
  return files;
}

function splitLines(output: Buffer): string[] {
  return output.toString('latin1').split('\n').slice(0, -1);
}

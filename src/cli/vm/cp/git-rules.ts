/** What becomes of an entry of a git folder that a guest has written. */
export type GitRule =
  /** copied as it is */
  | 'copy'
  /** the settings that do no harm are copied */
  | 'settings'
  /** left out: it starts programs, or leads git to another folder */
  | 'leave';

/**
 * Names in a git folder that lead to other folders, hold further settings, or commands that
 * `git rebase --continue` runs.
 */
const LEFT = new Set(['config.worktree', 'commondir', 'worktrees', 'rebase-merge', 'rebase-apply']);

/**
 * The rule for what is at `names` (lower case, as a file system may not tell case apart) in a git folder.
 * Everything else there is data: objects, refs, the index, ignore rules; and attributes, which start nothing
 * without a setting.
 */
export function gitRule(names: readonly string[], { isDirectory, isFile }: EntryKind): GitRule {
  const [top = '', second = ''] = names;
  if (LEFT.has(top)) return 'leave';
  if (top === 'config' && names.length === 1) return isFile ? 'settings' : 'leave';
  if (top !== 'hooks') return 'copy';
  // git starts no sample.
  const isSample = names.length === 2 && isFile && second.endsWith('.sample');
  return (names.length === 1 && isDirectory) || isSample ? 'copy' : 'leave';
}

/** What an entry is, as far as the rules ask. */
export interface EntryKind {
  isDirectory: boolean;
  isFile: boolean;
}

/** Whether a name is that of a git folder. */
export function isGitName(name: string): boolean {
  return name.toLowerCase() === '.git';
}

/** How an entry of a git folder from a guest is handled. */
export type GitRule =
  /** copied unchanged */
  | 'copy'
  /** only its harmless settings are copied */
  | 'settings'
  /** left out: it starts programs, or leads git to another folder */
  | 'leave';

/**
 * Names in a git folder that lead to other folders, or contain further settings or commands that
 * `git rebase --continue` runs.
 */
const LEFT = new Set(['config.worktree', 'commondir', 'worktrees', 'rebase-merge', 'rebase-apply']);

/**
 * Returns the rule for the entry at `names` in a git folder. `names` are in lower case, because some file
 * systems ignore case. All other entries are data: objects, refs, the index, ignore rules, and attributes,
 * which start nothing without a setting.
 */
export function gitRule(names: readonly string[], { isDirectory, isFile }: EntryKind): GitRule {
  const [top = '', second = ''] = names;
  if (LEFT.has(top)) return 'leave';
  if (top === 'config' && names.length === 1) return isFile ? 'settings' : 'leave';
  if (top !== 'hooks') return 'copy';
  // git never runs sample hooks
  const isSample = names.length === 2 && isFile && second.endsWith('.sample');
  return (names.length === 1 && isDirectory) || isSample ? 'copy' : 'leave';
}

/** The kind of an entry, as far as the rules need it. */
export interface EntryKind {
  isDirectory: boolean;
  isFile: boolean;
}

/** Returns whether `name` is the name of a git folder. */
export function isGitName(name: string): boolean {
  return name.toLowerCase() === '.git';
}

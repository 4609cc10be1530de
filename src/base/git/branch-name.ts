/**
 * Whether git allows `name` for a new branch: the rules of git-check-ref-format(1), and as in git-branch(1)
 * no leading `-` and no `HEAD`.
 */
export function isBranchName(name: string): boolean {
  if (name === '' || name === 'HEAD' || name.startsWith('-') || name.endsWith('.')) return false;
  if (/\.\.|@\{|[\p{Cc} ~^:?*[\\]/u.test(name)) return false;
  return name.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'));
}

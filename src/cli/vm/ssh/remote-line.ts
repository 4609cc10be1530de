import { shellWord } from '../../../base/text/shell-word.ts';

/**
 * Returns the line that the guest's shell reads for a command. A single word is such a line already; of
 * several words the shell makes exactly these again, where ssh(1) itself would join them with blanks.
 */
export function commandLine(command: readonly string[]): string | undefined {
  return command.length > 1 ? command.map(shellWord).join(' ') : command[0];
}

/** One line, because some shells take no line break within quotes. */
const SCRIPT = [
  'wanted=$1',
  'for folder in "$@" "$HOME"; do cd -- "$folder" 2>/dev/null && break; done',
  'if [ "$folder" != "$wanted" ]; then echo "the VM has no folder $wanted; starting in $folder" >&2; fi',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the guest's shell expands it
  'exec "${SHELL:-/bin/sh}" -l',
].join('; ');

/**
 * Returns the line that starts a login shell of the guest's user in the first of `folders` that the guest
 * has, else in the user's home. The line is for any shell, because the user's own may not be a POSIX shell.
 */
export function loginShellLine(folders: readonly [string, ...string[]]): string {
  return ['exec', 'sh', '-c', SCRIPT, 'sh', ...folders].map(shellWord).join(' ');
}

import { shellWord } from '../../../base/text/shell-word.ts';

/**
 * Returns the line for the guest's shell that runs a command. A single word already is such a line. Several
 * words are quoted, so that the shell parses exactly these words again; ssh(1) itself would join them with
 * blanks.
 */
export function commandLine(command: readonly string[]): string | undefined {
  return command.length > 1 ? command.map(shellWord).join(' ') : command[0];
}

/** One line, because some shells accept no line break within quotes. */
const SCRIPT = [
  'wanted=$1',
  'for folder in "$@" "$HOME"; do cd -- "$folder" 2>/dev/null && break; done',
  'if [ "$folder" != "$wanted" ]; then echo "the VM has no folder $wanted; starting in $folder" >&2; fi',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the guest's shell expands it
  'exec "${SHELL:-/bin/sh}" -l',
].join('; ');

/**
 * Returns the line that starts a login shell of the guest's user in the first of `folders` that the guest
 * has, else in the user's home. The line works in any shell, because the user's own may not be a POSIX shell.
 */
export function loginShellLine(folders: readonly [string, ...string[]]): string {
  return ['exec', 'sh', '-c', SCRIPT, 'sh', ...folders].map(shellWord).join(' ');
}

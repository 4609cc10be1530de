import type { Abortable } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import { exec, PROBE_DEADLINE_MS } from '../../base/process/exec.ts';

/** Longest output of `git config`; real names and addresses are shorter. */
const MAX_OUTPUT_BYTES = 64 * 1024;

/** Exit status of `git config` when the setting does not exist. */
const NONE_FOUND = 1;

/**
 * The user's name and mail address from git's own configuration (not from a repository), as the content of a
 * `.gitconfig`. `undefined` when neither is set, git is missing, or git cannot read its configuration:
 * nothing depends on it.
 */
export async function readGitIdentity({
  signal,
  env,
}: Abortable & { env: NodeJS.ProcessEnv }): Promise<Buffer | undefined> {
  const settings = new Map<string, string>();
  try {
    const { stdout } = await exec(
      ['git', 'config', '--global', '--includes', '--null', '--get-regexp', '^user\\.(name|email)$'],
      {
        signal,
        env,
        cwd: '/',
        okCodes: [0, NONE_FOUND],
        maxOutputBytes: MAX_OUTPUT_BYTES,
        deadlineMs: PROBE_DEADLINE_MS,
      },
    );
    // Names need not be UTF-8; latin1 preserves every byte.
    for (const setting of stdout.toString('latin1').split('\0')) {
      const [key = '', ...value] = setting.split('\n');
      if (value.length > 0) settings.set(key, value.join('\n'));
    }
  } catch (error) {
    if (!isAppError(error, 'EXEC_NOT_FOUND', 'EXEC_FAILED')) throw error;
    return undefined;
  }
  const lines = (['name', 'email'] as const).flatMap((key) => {
    const value = settings.get(`user.${key}`);
    return value === undefined ? [] : [`\t${key} = ${quoted(value)}\n`];
  });
  return lines.length === 0 ? undefined : Buffer.from(`[user]\n${lines.join('')}`, 'latin1');
}

/** A value quoted for git-config(1), whatever it contains. */
function quoted(value: string): string {
  const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\t': '\\t', '\b': '\\b' };
  const escaped = value.replace(/["\\]/g, '\\$&').replace(/[\n\t\b]/g, (found) => escapes[found] ?? found);
  return `"${escaped}"`;
}

import { isAppError } from '../../../src/base/errors.ts';
import { exec } from '../../../src/base/process/exec.ts';
import { patient } from '../../support/patience.ts';

/**
 * The reason why an ordinary user cannot run the programs of this checkout, if there is one: a home is
 * usually closed to other users.
 */
export async function noEntry(uid: number): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const look = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', 'test', '-r'] as const;
  const { code } = await exec([...look, import.meta.filename], {
    signal: AbortSignal.timeout(patient(60_000)),
    okCodes: [0, 1],
  });
  return code === 0 ? undefined : 'this checkout is in a folder that other users may not enter';
}

/** The reason why namespaces of these kinds cannot be created here, if there is one. */
export async function noNamespaces(kinds = '-Urm'): Promise<string | undefined> {
  try {
    await exec(['unshare', kinds, 'true'], { signal: AbortSignal.timeout(patient(60_000)) });
    return undefined;
  } catch (error) {
    if (!isAppError(error, 'EXEC_FAILED', 'EXEC_NOT_FOUND')) throw error;
    return `no namespaces can be made here: ${error.message}`;
  }
}

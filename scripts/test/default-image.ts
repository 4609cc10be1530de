import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { neverAborts } from '../../src/base/abort.ts';
import { isAppError } from '../../src/base/errors.ts';
import { exec, execInherit } from '../../src/base/process/exec.ts';

/** The image that tests and measurements use. */
const DEFAULT_IMAGE = 'debian-bookworm';

/**
 * Builds the default image into the user's store when it is missing. A temporary daemon with its own state
 * folder does that, so the user's daemon and VMs are not touched.
 */
export async function ensureDefaultImage(root: string): Promise<void> {
  const signal = neverAborts();
  const scratch = await mkdtemp(join(tmpdir(), 'bi-'));
  const env = { ...process.env, XDG_STATE_HOME: join(scratch, 's'), XDG_RUNTIME_DIR: join(scratch, 'r') };
  const banger = join(root, 'bin', 'banger');
  try {
    await exec([banger, 'image', 'show', DEFAULT_IMAGE], { env, signal });
  } catch (error) {
    if (!isAppError(error, 'EXEC_FAILED')) throw error;
    const setEnv = [
      'env',
      `XDG_STATE_HOME=${env.XDG_STATE_HOME}`,
      `XDG_RUNTIME_DIR=${env.XDG_RUNTIME_DIR}`,
    ] as const;
    const code = await execInherit([...setEnv, banger, 'image', 'build', DEFAULT_IMAGE], { signal });
    if (code !== 0)
      throw new Error(`Cannot build the image "${DEFAULT_IMAGE}": banger ended with status ${code}`);
  } finally {
    await exec([banger, 'daemon', 'stop'], { env, signal, okCodes: [0, 1] });
    await rm(scratch, { recursive: true, force: true });
  }
}

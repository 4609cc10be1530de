import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../src/base/abort.ts';
import { isAppError } from '../../../src/base/errors.ts';
import { exec } from '../../../src/base/process/exec.ts';

const ROOT = join(import.meta.dirname, '../../..');

/**
 * A commit whose agent may still run in existing or suspended VMs: its generation is the oldest that the host
 * speaks.
 */
const OLD_COMMIT = '8bb55d47ab81dc935c3263b93f010d8166a8390f';

/** The agent of an earlier version, or why this checkout cannot build it. */
export type OldAgent = { program: string } | { whyNone: string };

/** Builds the agent of an earlier version in `dir`, for guests of this host. */
export async function buildOldAgent(dir: string, { signal }: Abortable): Promise<OldAgent> {
  try {
    await exec(['git', 'cat-file', '-e', `${OLD_COMMIT}^{commit}`], { cwd: ROOT, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    return {
      whyNone: `this checkout does not have the history that the agent of ${OLD_COMMIT.slice(0, 7)} is in`,
    };
  }
  const source = join(dir, 'old');
  await mkdir(source);
  const archive = join(dir, 'old.tar');
  await exec(['git', 'archive', '-o', archive, OLD_COMMIT, 'agent'], { cwd: ROOT, signal });
  await exec(['tar', '-xf', archive, '-C', source], { signal });
  const program = join(dir, 'old-agent');
  await exec(['go', 'build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', program, '.'], {
    cwd: join(source, 'agent'),
    env: { ...process.env, CGO_ENABLED: '0' },
    signal,
  });
  return { program };
}

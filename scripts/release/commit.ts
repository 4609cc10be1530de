import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import type { BuildInfo } from '../../src/protocol/build-info.ts';

/**
 * What is released: the commit that is checked out at `root`, with its own time as the time of the build, so
 * that every build of it says the same.
 *
 * @throws {Error} when files differ from the commit, there is no tag and no `version`, or package.json has
 * another version.
 */
export async function commitToRelease(
  root: string,
  { version: wanted, signal }: Abortable & { version?: string | undefined },
): Promise<BuildInfo> {
  const git = async (...args: string[]): Promise<string> => {
    const { stdout } = await exec(['git', '-C', root, ...args], { signal });
    return stdout.toString('utf8').trim();
  };
  const changed = await git('status', '--porcelain');
  if (changed !== '') throw new Error(`these files differ from the commit:\n${changed}`);
  const [commit = '', seconds = ''] = (await git('log', '-1', '--format=%H %ct')).split(' ');
  const version = wanted ?? (await git('describe', '--tags', '--exact-match', '--match', 'v*'));
  const { version: own } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  if (version !== `v${own}`) throw new Error(`the release is ${version}, but package.json has ${own}`);
  return { version, commit, builtAt: new Date(Number(seconds) * 1000).toISOString() };
}

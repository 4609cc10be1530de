import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { neverAborts, poll } from '../../src/base/abort.ts';
import { isErrno } from '../../src/base/errors.ts';
import { fileSystemOf } from '../../src/base/files/file-system.ts';
import { exec } from '../../src/base/process/exec.ts';

const signal = neverAborts();

/** The reason why FUSE file systems cannot be mounted here; `false` when they can. */
export function whyNoFuse(): string | false {
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse here';
  if (!mayOpenFuse()) return 'this user may not open /dev/fuse';
  if (spawnSync('bindfs', ['--version']).error) return 'bindfs is not installed';
  if (process.getuid?.() !== 0 && spawnSync('fusermount', ['-V']).error) return 'fusermount is not installed';
  return false;
}

function mayOpenFuse(): boolean {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
    return true;
  } catch (error) {
    if (isErrno(error, 'EACCES', 'EPERM')) return false;
    throw error;
  }
}

/**
 * A FUSE mount that shows the folder `under`. Disposing unmounts it, even while files are open in it.
 */
export interface FuseFolder extends AsyncDisposable {
  path: string;
}

/**
 * Mounts `under` at `path` with bindfs(1), which renames a file that is deleted while it is open, as NFS
 * does. `options` are its own, such as `-o direct_io`, with which files cannot share memory.
 */
export async function mountFuse(
  { under, path }: { under: string; path: string },
  options: readonly string[] = [],
): Promise<FuseFolder> {
  for (const dir of [under, path]) await mkdir(dir, { recursive: true, mode: 0o700 });
  await exec(['bindfs', ...options, under, path], { signal });
  const isMounted = async (): Promise<true | undefined> =>
    (await fileSystemOf(path)).name === 'FUSE' ? true : undefined;
  await poll(isMounted, { everyMs: 5, deadlineMs: 60_000, what: 'the mount', signal });
  const unmount: [string, ...string[]] =
    process.getuid?.() === 0 ? ['umount', '--lazy', path] : ['fusermount', '-uz', path];
  return { path, [Symbol.asyncDispose]: async () => void (await exec(unmount, { signal })) };
}

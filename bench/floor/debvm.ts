import { once } from 'node:events';
import { access, mkdir, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { Abortable } from '../../src/base/abort.ts';
import { invariant, isAppError, isErrno } from '../../src/base/errors.ts';
import { exec, spawnDetached } from '../../src/base/process/exec.ts';

/** A cached image of debvm, and the ssh key that it accepts. */
export interface DebvmImage {
  path: string;
  keyPath: string;
}

/**
 * Options for debvm when KVM cannot be used: by itself it uses KVM whenever `/dev/kvm` exists. The processor
 * is QEMU's default.
 */
const WITHOUT_KVM = ['-machine', 'accel=tcg', '-cpu', 'qemu64'];

/** Most `s` that debvm's own tool waits for ssh. */
const START_DEADLINE_S = 300;
const END_DEADLINE_MS = 10_000;

/** Whether debvm, the nearest peer that Debian packages, is installed. */
export async function hasDebvm({ signal }: Abortable): Promise<boolean> {
  try {
    await exec(['debvm-run', '--help'], { okCodes: [0, 1], signal });
    return true;
  } catch (error) {
    if (isAppError(error, 'EXEC_NOT_FOUND')) return false;
    throw error;
  }
}

/**
 * Its image of Debian in `cacheDir`, with an ssh server; made when it is not there, from the mirrors that
 * this machine's apt uses.
 */
export async function debvmImage(cacheDir: string, { signal }: Abortable): Promise<DebvmImage> {
  const dir = join(cacheDir, 'debvm');
  const image = { path: join(dir, 'rootfs.ext4'), keyPath: join(dir, 'key') };
  if (await isThere(image.path)) return image;
  await mkdir(dirname(dir), { recursive: true });
  const made = await mkdtemp(`${dir}-`);
  await exec(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(made, 'key')], { signal });
  const where = ['-o', join(made, 'rootfs.ext4'), '-k', join(made, 'key.pub')];
  await exec(['debvm-create', '-r', 'bookworm', ...where], { cwd: made, signal });
  await rm(dir, { recursive: true, force: true });
  await rename(made, dir);
  return image;
}

/**
 * `ms` from the start of `debvm-run` to the end of a first `ssh true`. The guest's writes are discarded.
 */
export async function debvmStartMs(
  { path, keyPath }: DebvmImage,
  { dir, hasKvm, signal }: Abortable & { dir: string; hasKvm: boolean },
): Promise<number> {
  const port = String(await freePort());
  const own = await mkdtemp(join(dir, 'debvm-'));
  await using log = await open(join(own, 'log'), 'w');
  const argv = [
    'debvm-run',
    '-i',
    path,
    '-s',
    port,
    '--',
    '-snapshot',
    ...(hasKvm ? [] : WITHOUT_KVM),
  ] as const;
  const begun = performance.now();
  const child = await spawnDetached(argv, { outputFd: log.fd, env: { ...process.env, TMPDIR: own } });
  const alive = setInterval(() => {}, 1_000);
  try {
    await exec(['debvm-waitssh', '-t', String(START_DEADLINE_S), port], { signal });
    const trust = ['-o', 'NoHostAuthenticationForLocalhost=yes', '-o', 'BatchMode=yes'];
    await exec(['ssh', '-i', keyPath, ...trust, '-p', port, 'root@127.0.0.1', 'true'], { signal });
    return performance.now() - begun;
  } finally {
    // Ends the script and its QEMU with SIGTERM, so that the script removes its temporary files.
    process.kill(-child.pid, 'SIGTERM');
    const killing = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), END_DEADLINE_MS);
    await child.exited;
    clearTimeout(killing);
    clearInterval(alive);
    await rm(own, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  await using server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  invariant(address !== null && typeof address === 'object', 'a TCP server has a port');
  return address.port;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

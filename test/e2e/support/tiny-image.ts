import { randomBytes } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLab } from './lab.ts';
import { findStaticBusybox } from './small-image.ts';

const APPLETS = ['cat', 'ls', 'sh', 'sleep'];

/** The shape of VMs of the tiny image. */
export const TINY = [
  ...['--vcpu', '1', '--memory', '256'],
  ...['--disk-size', '64M', '--system-overlay-size', '64M'],
] as const;

/** An image of the user's store that boots soon. Disposing deletes it. */
export interface TinyImage extends AsyncDisposable {
  name: string;
  /** why this host cannot make one */
  whyNone?: string;
}

/**
 * Imports an image of busybox alone, without an init, for tests of which the guest is no part. The default
 * image takes three times as long to boot under emulation.
 */
export async function importTinyImage(): Promise<TinyImage> {
  const name = `tiny-${randomBytes(4).toString('hex')}`;
  const busybox = await findStaticBusybox();
  if (busybox === undefined) {
    const whyNone = 'no statically linked busybox on this host (package busybox-static)';
    return { name, whyNone, [Symbol.asyncDispose]: async () => {} };
  }
  const tree = await mkdtemp(join(tmpdir(), 'tiny-'));
  await mkdir(join(tree, 'bin'));
  await copyFile(busybox, join(tree, 'bin/busybox'));
  await chmod(join(tree, 'bin/busybox'), 0o755);
  for (const applet of APPLETS) await symlink('busybox', join(tree, 'bin', applet));
  await mkdir(join(tree, 'etc'));
  await writeFile(join(tree, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
  const lab = await openLab();
  await lab.text(['image', 'import', '--name', name, tree]);
  await rm(tree, { recursive: true });
  return {
    name,
    async [Symbol.asyncDispose]() {
      await lab.text(['image', 'delete', '--force', name]);
      await lab[Symbol.asyncDispose]();
    },
  };
}

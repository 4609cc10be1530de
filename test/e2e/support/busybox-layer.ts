import { execFileSync } from 'node:child_process';
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Programs of the layer, all of them busybox. */
const APPLETS =
  'cat chmod chown cp date echo env grep httpd id ls mkdir mv ps pwd rm sed sh sleep sort stat touch wc'.split(
    ' ',
  );

/** A layer with busybox, and the users root and app (1000). `tree` is an empty folder that it fills. */
export async function busyboxLayer(tree: string, busybox: string): Promise<Buffer> {
  await mkdir(join(tree, 'bin'), { recursive: true });
  await copyFile(busybox, join(tree, 'bin/busybox'));
  for (const applet of APPLETS) await symlink('busybox', join(tree, 'bin', applet));
  for (const folder of ['etc', 'tmp', 'proc', 'sys', 'dev', 'run', 'home']) await mkdir(join(tree, folder));
  await chmod(join(tree, 'tmp'), 0o1777);
  await writeFile(join(tree, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home:/bin/sh\n');
  await writeFile(join(tree, 'etc/group'), 'root:x:0:\napp:x:1000:\n');
  const words = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '-C', tree, '-c', '.'];
  return execFileSync('tar', words, { maxBuffer: 64 * 2 ** 20 });
}

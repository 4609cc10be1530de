import { chmod, copyFile, link, mkdir, open, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../src/base/abort.ts';
import { exec } from '../../../src/base/process/exec.ts';
import { findProgram, toolEnv } from '../../../src/base/process/programs.ts';
import { processEnvironment } from '../../../src/config/settings.ts';

/** Size of the small image's file system. */
export const SMALL_IMAGE_BYTES = 64 * 2 ** 20;

/** Programs of the image, all of them busybox. */
const APPLETS =
  'sh cat df dmesg grep head hostname ip kill ls ps readlink rm sed sha256sum sleep stat sync uname wc'.split(
    ' ',
  );

/**
 * A statically linked busybox of this host, if there is one; the image has no libraries for a dynamic one.
 */
export async function findStaticBusybox(): Promise<string | undefined> {
  const path = await findProgram('busybox', processEnvironment());
  if (!path) return undefined;
  // The name of the dynamic loader is in the first page of a program that needs one.
  const firstPage = (await readFile(path)).subarray(0, 4096);
  return firstPage.includes('/ld-') ? undefined : path;
}

/**
 * Makes an image without an init: busybox, a merged /usr, and a /root with everything that a copy could lose.
 * Like many images of a single program, it has no folders for the kernel's file systems.
 */
export async function makeSmallImage(
  path: string,
  { scratchDir, busybox, signal }: Abortable & { scratchDir: string; busybox: string },
): Promise<void> {
  const tree = join(scratchDir, 'tree');
  await mkdir(join(tree, 'usr/bin'), { recursive: true });
  await mkdir(join(tree, 'usr/lib'));
  await symlink('usr/bin', join(tree, 'bin'));
  await symlink('usr/lib', join(tree, 'lib'));
  await copyFile(busybox, join(tree, 'usr/bin/busybox'));
  for (const applet of APPLETS) await symlink('busybox', join(tree, 'usr/bin', applet));
  await mkdir(join(tree, 'etc'));
  await writeFile(join(tree, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  await writeFile(join(tree, 'etc/hostname'), '# the name\nsmall\n');
  await makeHome(join(tree, 'root'));
  await makeExt4(path, { sizeBytes: SMALL_IMAGE_BYTES, treeDir: tree, signal });
  // An ordinary user has no other way to change the owner of a file.
  await debugfs(
    path,
    ['sif /root uid 0', 'sif /root gid 0', 'sif /root/tool uid 1234', 'sif /root/tool gid 4321'],
    {
      signal,
    },
  );
}

async function makeHome(home: string): Promise<void> {
  await mkdir(join(home, '.config/deep'), { recursive: true });
  await writeFile(join(home, '.profile'), 'from the image\n');
  await writeFile(join(home, 'tool'), '#!/bin/sh\n');
  await chmod(join(home, 'tool'), 0o755);
  await link(join(home, '.profile'), join(home, '.config/deep/same'));
  await symlink('/no/where', join(home, 'dangling'));
  await chmod(home, 0o710);
}

/** Makes an ext4 file system in a sparse file, with the files below `treeDir`, if that is given. */
export async function makeExt4(
  path: string,
  { sizeBytes, treeDir, signal }: Abortable & { sizeBytes: number; treeDir?: string },
): Promise<void> {
  await makeSparse(path, sizeBytes);
  const content = treeDir === undefined ? [] : ['-d', treeDir];
  await exec(['mkfs.ext4', '-q', '-F', '-b', '4096', ...content, path], { signal, env: tools() });
}

/** Makes an empty drive, or changes the size of one. */
export async function makeSparse(path: string, sizeBytes: number): Promise<void> {
  await (await open(path, 'a')).close();
  await truncate(path, sizeBytes);
}

/** Fails when the file system in `path` has a fault, an unfinished journal included. */
export async function checkExt4(path: string, { signal }: Abortable): Promise<void> {
  await exec(['e2fsck', '-f', '-n', path], { signal, env: tools() });
}

async function debugfs(path: string, commands: readonly string[], { signal }: Abortable): Promise<void> {
  await exec(['debugfs', '-w', '-f', '-', path], { signal, env: tools(), input: `${commands.join('\n')}\n` });
}

function tools(): NodeJS.ProcessEnv {
  return toolEnv(processEnvironment());
}

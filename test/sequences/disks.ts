import { mkdir, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { toolEnv } from '../../src/base/process/programs.ts';
import { processEnvironment } from '../../src/config/settings.ts';
import { overlaySize } from '../../src/core/overlay-size.ts';
import { mergeExceptions } from './exception-store.ts';
import { KEPT_FOLDERS } from './guest-model.ts';

/** Reads the disks of VMs. */
export interface DiskReader {
  /**
   * Checks both file systems of a VM that does not run, after a replay of their journals, and returns the
   * modelled files. Does not change the VM. Fails when `e2fsck -fn` finds a fault.
   */
  read(vmDir: string): Promise<Map<string, Buffer>>;
}

/**
 * `scratch` is a folder for copies, `rootfsPath` the image of all VMs, `freeBytes` the free space of their
 * roots beyond the image.
 */
export async function openDiskReader({
  scratch,
  rootfsPath,
  freeBytes,
}: {
  scratch: string;
  rootfsPath: string;
  freeBytes: number;
}): Promise<DiskReader> {
  await mkdir(scratch, { recursive: true });
  const metadata = join(scratch, 'image-metadata');
  // A check does not read the data of files, and the files that are read were written by the VM, so the rest
  // of the image need not be copied.
  await run(['e2image', '-r', rootfsPath, metadata]);
  const { size: imageBytes } = await stat(rootfsPath);
  const sizes = overlaySize({ imageBytes, freeBytes });
  return {
    read: async (vmDir) => {
      const dir = join(scratch, basename(vmDir));
      await rm(dir, { recursive: true, force: true });
      await mkdir(dir);
      const work = join(dir, 'work');
      await run(['qemu-img', 'convert', '-O', 'raw', await driveIn(vmDir, 'work.qcow2'), work]);
      const root = join(dir, 'root');
      await makeRoot(root, { overlay: await driveIn(vmDir, 'overlay.qcow2'), metadata, imageBytes, sizes });
      const found = new Map([
        ...(await checkedFiles(work, { dir, path: '/kept', folder: KEPT_FOLDERS.work })),
        ...(await checkedFiles(root, { dir, path: '/srv/kept', folder: KEPT_FOLDERS.root })),
      ]);
      await rm(dir, { recursive: true });
      return found;
    },
  };
}

/** The root device as in the guest (docs/guest-boot.md). */
async function makeRoot(
  path: string,
  {
    overlay,
    metadata,
    imageBytes,
    sizes,
  }: { overlay: string; metadata: string; imageBytes: number; sizes: ReturnType<typeof overlaySize> },
): Promise<void> {
  const store = `${path}-overlay`;
  await run(['qemu-img', 'convert', '-O', 'raw', overlay, store]);
  await run(['cp', '--sparse=always', metadata, path]);
  await mergeExceptions(store, path);
  const from = ['iflag=skip_bytes', `skip=${sizes.storeBytes}`];
  const to = ['oflag=seek_bytes', `seek=${imageBytes}`, 'conv=sparse,notrunc'];
  await run(['dd', `if=${store}`, `of=${path}`, 'bs=1M', 'status=none', ...from, ...to]);
  await truncate(path, sizes.rootBytes);
}

/**
 * Replays the journal as the kernel does; afterwards the file system must have no faults. Returns the files
 * of the folder `path`, with their paths below `folder`.
 */
async function checkedFiles(
  device: string,
  { dir, path, folder }: { dir: string; path: string; folder: string },
): Promise<[string, Buffer][]> {
  await run(['e2fsck', '-y', '-E', 'journal_only', device]);
  await run(['e2fsck', '-f', '-n', device]);
  const out = join(dir, `${basename(device)}-files`);
  await mkdir(out);
  await run(['debugfs', '-R', `rdump ${path} ${out}`, device]);
  const kept = join(out, basename(path));
  const names = await readdir(kept);
  return await Promise.all(
    names.map(
      async (name): Promise<[string, Buffer]> => [`${folder}/${name}`, await readFile(join(kept, name))],
    ),
  );
}

/** The only drive of the VM with that file name: in the VM's folder, or in one that a restore has created. */
async function driveIn(vmDir: string, name: string): Promise<string> {
  const folders = (await readdir(vmDir)).filter((one) => one.startsWith('drives-'));
  const candidates = [vmDir, ...folders.map((folder) => join(vmDir, folder))];
  const found: string[] = [];
  for (const folder of candidates) if ((await readdir(folder)).includes(name)) found.push(join(folder, name));
  const [only, ...more] = found;
  if (only === undefined || more.length > 0) {
    throw new Error(`the VM has not one drive "${name}" but: ${found.join(', ') || 'none'}`);
  }
  return only;
}

async function run(argv: readonly [string, ...string[]]): Promise<void> {
  const done = await exec(argv, {
    signal: neverAborts(),
    env: toolEnv(processEnvironment()),
    okCodes: [0, 1, 2, 3, 4, 8],
  });
  if (done.code === 0) return;
  throw new Error(`${argv.join(' ')} ended with ${done.code}:\n${done.stdout.toString()}${done.stderr}`);
}

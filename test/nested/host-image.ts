import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { buildDebian } from '../../src/adapters/image/debian/build-debian.ts';
import type { DebianRecipe } from '../../src/adapters/image/debian/recipe.ts';
import { debianBookworm } from '../../src/adapters/image/debian/recipes/debian-bookworm.ts';
import { removeTree } from '../../src/adapters/image/store/image-files.ts';
import type { Abortable } from '../../src/base/abort.ts';
import { packExt4 } from '../../src/base/files/ext4-image.ts';
import { lock } from '../../src/base/files/file-lock.ts';
import { openStaging } from '../../src/base/files/staging.ts';
import { toolEnv } from '../../src/base/process/programs.ts';
import { GUEST_ARCH } from '../e2e/support/kernel.ts';
import { BUILT_HOST_TOOLS } from '../support/host-tools.ts';
import { nullLog } from '../support/null-log.ts';

/**
 * What a Debian host needs to run the product, and no more: everything here starts and is read under
 * emulation.
 */
const PACKAGES = [
  ...['systemd', 'systemd-sysv', 'udev', 'dbus', 'kmod', 'procps', 'iproute2', 'netbase', 'tzdata'],
  ...[
    'ca-certificates',
    'e2fsprogs',
    'git',
    'openssh-client',
    'openssh-server',
    'qemu-system-x86',
    'qemu-utils',
  ],
] as const;

/** Units of packages that this image lacks. */
const ABSENT_UNITS = [
  'docker.service',
  'containerd.service',
  'apparmor.service',
  'systemd-logind.service',
  'dbus.service',
];

/**
 * The root file system of the emulated host: the recipe of our image, with what the product needs on a host
 * instead of what a developer needs.
 */
const HOST_RECIPE: DebianRecipe = {
  ...debianBookworm,
  name: 'nested-host',
  packages: PACKAGES,
  npmPrograms: () => [],
  files: debianBookworm.files.filter(({ path }) => !/docker|mise/.test(path)),
  enabledUnits: [],
  offUnits: debianBookworm.offUnits.filter(({ unit }) => !ABSENT_UNITS.includes(unit)),
};

/** A file system image. */
export interface HostImage {
  path: string;
  sizeBytes: number;
}

/**
 * Returns the image of this recipe in `cacheDir`. Builds it if it is missing or was built from another
 * recipe, which takes a minute.
 */
export async function hostImage(cacheDir: string, { signal }: Abortable): Promise<HostImage> {
  await mkdir(cacheDir, { recursive: true });
  const { kernelPackage: _name, ...data } = HOST_RECIPE;
  const key = createHash('sha256').update(JSON.stringify(data)).digest('hex').slice(0, 16);
  const path = join(cacheDir, `host-${key}.ext4`);
  using _held = await lock(join(cacheDir, '.lock'), { signal });
  if (!existsSync(path)) await build(path, { cacheDir, signal });
  return { path, sizeBytes: (await stat(path)).size };
}

async function build(path: string, { cacheDir, signal }: Abortable & { cacheDir: string }): Promise<void> {
  const uid = process.getuid?.() ?? 0;
  const env = process.env;
  const remove = (dir: string): Promise<void> => removeTree(dir, { uid, env });
  await using staging = await openStaging(join(cacheDir, '.staging'), { removeTree: remove });
  const { dir } = staging;
  const { treeDir } = await buildDebian(HOST_RECIPE, {
    dir,
    arch: GUEST_ARCH,
    uid,
    env,
    hostTools: BUILT_HOST_TOOLS,
    log: nullLog,
    report() {},
    signal,
  });
  const imagePath = join(dir, 'host.ext4');
  const request = { treeDir, imagePath, label: 'root', freeBytes: 2 ** 26, journalMib: 32, uid };
  await packExt4({ ...request, env: toolEnv(env) }, { signal });
  await rename(imagePath, path);
}

import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import type { DebianRecipe, OffUnit } from './recipe.ts';

/**
 * The shell scripts of a build. `$BUILD` is the build's folder; `$1` is the image's tree. Words of a recipe
 * are inserted verbatim: they are our own, and patterns must stay patterns.
 */

/** Names in a build's folder, as the scripts use them. */
export const BUILD = {
  tree: 'tree',
  files: 'files',
  kernel: 'kernel',
  programs: 'programs',
  /** programs that take precedence over the host's (build-wall.ts) */
  bin: 'bin',
  temp: 'tmp',
  /** file that exists once everything is downloaded */
  offline: 'offline',
  downloadScript: 'download.sh',
  aptOptions: 'apt.conf',
  dpkgOptions: 'dpkg.cfg',
  essentialScript: 'essential.sh',
  customizeScript: 'customize.sh',
  finishScript: 'finish.sh',
} as const;

/**
 * Runs when the core of the system is unpacked and no script of a package has run: downloads all other
 * packages and the kernel's. Afterwards nothing can reach the network.
 */
export function downloadScript(
  recipe: DebianRecipe,
  { arch, kernelArch = arch }: { arch: GuestArch; kernelArch?: GuestArch },
): string {
  const kernel = recipe.kernelPackage(kernelArch);
  const metapackage = kernelArch === arch ? kernel : `${kernel}:${kernelArch}`;
  return script([
    'export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"',
    // Progress is read from stderr.
    'exec >&2',
    `apt-get --yes --download-only install ${recipe.packages.join(' ')}`,
    `package=$(apt-cache depends ${metapackage} | sed -n 's/^ *Depends: //p' | grep -m1 '^linux-image-')`,
    `(cd "$BUILD/${BUILD.kernel}" && apt-get --quiet --quiet download "$package")`,
    `: > "$BUILD/${BUILD.offline}"`,
  ]);
}

/**
 * Runs before most packages are unpacked: makes dpkg skip what the recipe excludes. The option stays, for
 * packages that are installed later.
 */
export function essentialScript(): string {
  return script([`cp "$BUILD/${BUILD.dpkgOptions}" "$1/etc/dpkg/dpkg.cfg.d/banger"`]);
}

/** Which files dpkg skips. */
export function dpkgOptions({ excludedPaths, includedPaths }: DebianRecipe): string {
  return [
    '# The image has no manuals. Remove this file and reinstall a package to get its own.',
    ...excludedPaths.map((pattern) => `path-exclude=${pattern}`),
    ...includedPaths.map((pattern) => `path-include=${pattern}`),
    '',
  ].join('\n');
}

/**
 * Runs after all packages, with /proc and /dev mounted in the tree: unpacks the kernel beside the tree and
 * sets up services. Does not install the kernel package, which would bring a boot loader's tools; its modules
 * get a drive of their own.
 */
export function customizeScript(recipe: DebianRecipe, arch: GuestArch): string {
  const unitsTo = (how: OffUnit['how']) =>
    recipe.offUnits.filter((off) => off.how === how).map(({ unit }) => unit);
  const disabled = unitsTo('disable');
  const masked = unitsTo('mask');
  const systemctl = 'chroot "$1" systemctl --quiet';
  return script([
    // The host's own temporary folder is outside the wall.
    `export TMPDIR="$BUILD/${BUILD.temp}"`,
    `dpkg-deb --field "$BUILD/${BUILD.kernel}"/*.deb Version > "$BUILD/${BUILD.kernel}/version"`,
    'mkdir "$1/tmp/kernel"',
    `dpkg-deb --extract "$BUILD/${BUILD.kernel}"/*.deb "$1/tmp/kernel"`,
    // The image's depmod, so that the host needs none.
    'chroot "$1" depmod --basedir /tmp/kernel "$(ls "$1/tmp/kernel/lib/modules")"',
    `mv "$1/tmp/kernel/boot" "$1/tmp/kernel/lib" "$BUILD/${BUILD.kernel}/"`,
    `rm "$BUILD/${BUILD.kernel}"/*.deb`,
    ...recipe
      .npmPrograms(arch)
      .flatMap(({ installPath }) => [
        `cp "$BUILD/${BUILD.programs}/$(basename ${installPath})" "$1${installPath}"`,
        `chmod 0755 "$1${installPath}"`,
        `chroot "$1" ${installPath} --version > "$BUILD/${BUILD.programs}/$(basename ${installPath}).version"`,
      ]),
    `${systemctl} set-default multi-user.target`,
    ...(disabled.length > 0 ? [`${systemctl} disable ${disabled.join(' ')}`] : []),
    ...(masked.length > 0 ? [`${systemctl} mask ${masked.join(' ')}`] : []),
    ...(recipe.enabledUnits.length > 0 ? [`${systemctl} enable ${recipe.enabledUnits.join(' ')}`] : []),
    // A dangling link in a folder of /etc masks the link in the package's folder (systemd.unit(5)).
    ...unitsTo('unwant').map((unit) => `ln -sf /dev/null "$1${WANTS}/${unit}"`),
    'mkdir -p "$1/etc/systemd/system-generators"',
    ...recipe.offGenerators.map((name) => `ln -sf /dev/null "$1/etc/systemd/system-generators/${name}"`),
    // At its end, mmdebstrap empties folders of the tree, outside the wall.
    `for folder in ${EMPTIED_FOLDERS.join(' ')}; do`,
    '  if [ -L "$1/$folder" ]; then echo "a package has replaced /$folder with a link" >&2; exit 1; fi',
    'done',
  ]);
}

/**
 * Runs last, with nothing mounted: writes the recipe's files and removes secrets, traces of the host, and
 * what is only needed while building.
 */
export function finishScript(recipe: DebianRecipe): string {
  return script([
    `cp -R "$BUILD/${BUILD.files}/." "$1/"`,
    'cd "$1"',
    `rm -rf -- ${recipe.removed.join(' ')}`,
    // Exists but is empty: read-only images can be given one, and no boot counts as the first one
    // (machine-id(5)).
    ': > etc/machine-id',
    'ln -s /etc/machine-id var/lib/dbus/machine-id',
    // The sources name the build's keyring by its path on the host; the image has its own at the same path.
    `sed -i -E 's|^deb (\\[[^]]*\\] )?|deb [signed-by=${DEBIAN_KEYRING}] |' etc/apt/sources.list`,
    'mkdir -p lib/modules usr/share/man/man1 usr/share/man/man5 usr/share/man/man7 usr/share/man/man8',
    // systemd compares their times with that of /usr, and would rebuild its caches (ConditionNeedsUpdate=).
    'touch etc/.updated var/.updated',
  ]);
}

/** Folders that mmdebstrap empties: a link in the place of one would lead it out of the tree. */
const EMPTIED_FOLDERS = [
  ...[
    'dev',
    'etc',
    'etc/apt',
    'etc/apt/apt.conf.d',
    'etc/dpkg',
    'etc/dpkg/dpkg.cfg.d',
    'proc',
    'run',
    'sys',
    'tmp',
    'usr',
    'usr/sbin',
  ],
  ...[
    'var',
    'var/cache',
    'var/cache/apt',
    'var/cache/apt/archives',
    'var/lib',
    'var/lib/apt',
    'var/lib/apt/lists',
  ],
  ...['var/lib/dbus', 'var/lib/dpkg', 'var/log'],
] as const;

const WANTS = '/etc/systemd/system/multi-user.target.wants';

/** Path of Debian's keys in the package debian-archive-keyring, on the host and in the image. */
export const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

function script(lines: readonly string[]): string {
  return ['#!/bin/sh', 'set -eu', 'umask 022', ...lines, ''].join('\n');
}

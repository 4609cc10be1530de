import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../../base/errors.ts';
import { findProgram, isExecutable, type Variables } from '../../../base/process/programs.ts';
import { shellWord } from '../../../base/text/shell-word.ts';
import { BUILD } from './recipe-scripts.ts';

/*
 * The scripts of packages are other people's programs, and the namespaces of a build are no barrier: root in
 * a user namespace can leave a chroot, and outside it has the rights of this user. So each script runs behind
 * the wall of `banger-host confine`, without a network, and none outlives the step that started it. Only
 * mmdebstrap itself runs outside the wall, and apt and npm while they download, which is before the first
 * script of a package.
 *
 *     <build>/bin/
 *       confined    runs a program behind the wall
 *       chroot      the host's, behind the wall; mmdebstrap finds it first in PATH
 *       apt-get     the host's, behind the wall as soon as everything is downloaded: it
 *                   starts dpkg, and does what files of the image tell it
 */

/** What the host's programs need to run. */
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/nix/store', '/gnu/store'] as const;

/**
 * The parts of the host's configuration that apt, dpkg and the C library read; nothing that only root may
 * read.
 */
const CONFIGURATION = [
  ...['/etc/ld.so.cache', '/etc/ld.so.conf', '/etc/ld.so.conf.d', '/etc/alternatives', '/etc/localtime'],
  ...['/etc/passwd', '/etc/group', '/etc/nsswitch.conf', '/etc/debian_version', '/etc/os-release'],
  ...['/etc/apt/trusted.gpg.d', '/etc/dpkg', '/etc/perl', '/etc/magic'],
] as const;

const DEVICES = [
  ...[
    '/dev/null',
    '/dev/zero',
    '/dev/full',
    '/dev/random',
    '/dev/urandom',
    '/dev/tty',
    '/dev/ptmx',
    '/dev/pts',
  ],
] as const;

/** Folders of a build, besides the image's tree, that its steps write to. */
const OWN_FOLDERS = [BUILD.kernel, BUILD.programs, BUILD.temp] as const;

/** What a build's wall is made of. */
export interface BuildWallOptions {
  /** the build's folder */
  dir: string;
  /** the program `banger-host` */
  hostTools: string;
  /** where the host's programs are found */
  env: Variables;
}

/**
 * Writes the wrapper programs that take precedence over the host's, and creates the folders that they may
 * write to. Returns whether `banger-host` exists: without it, the wrappers only cut programs off the network.
 *
 * @throws {AppError} EXEC_NOT_FOUND when a program that they run is missing.
 */
export async function writeBuildWall({ dir, hostTools, env }: BuildWallOptions): Promise<boolean> {
  const hasWall = await isExecutable(hostTools);
  const programs = {
    confined: confinedScript(dir, hasWall ? hostTools : undefined),
    // The temporary folder is not in the tree.
    chroot: `unset TMPDIR\nexec "$BUILD/bin/confined" ${shellWord(await require('chroot', env))} "$@"`,
    'apt-get': [
      `apt=${shellWord(await require('apt-get', env))}`,
      `if [ -e "$BUILD/${BUILD.offline}" ]; then exec "$BUILD/bin/confined" "$apt" "$@"; fi`,
      'exec "$apt" "$@"',
    ].join('\n'),
  };
  for (const folder of ['bin', ...OWN_FOLDERS]) await mkdir(join(dir, folder), { recursive: true });
  for (const [name, text] of Object.entries(programs)) {
    const path = join(dir, BUILD.bin, name);
    await writeFile(path, `#!/bin/sh\nset -eu\n${text}\n`);
    await chmod(path, 0o755);
  }
  return hasWall;
}

/** Runs `$1`, a program by its name or path, with the other arguments. */
function confinedScript(dir: string, hostTools: string | undefined): string {
  const own = OWN_FOLDERS.map((name) => join(dir, name));
  const options = [
    ...[...SYSTEM].flatMap((path) => ['--exec', path]),
    ...[...CONFIGURATION, dir].flatMap((path) => ['--read', path]),
    ...own.flatMap((path) => ['--tree', path]),
    ...DEVICES.flatMap((path) => ['--device', path]),
    ...['--chroot', join(dir, BUILD.tree)],
    // dpkg reports progress over one of them.
    ...['--descriptors', 'all'],
    // useradd asks the kernel whether auditing is on.
    ...['--socket', 'netlink'],
  ];
  const wall =
    hostTools === undefined
      ? []
      : [hostTools, 'confine', '--exec', hostTools, '--exec', join(dir, BUILD.bin), ...options, '--'];
  return [
    'program=$(command -v "$1")',
    'shift',
    `exec unshare --net --pid --fork --kill-child=SIGKILL -- ${wall.map(shellWord).join(' ')} "$program" "$@"`,
  ].join('\n');
}

async function require(program: string, env: Variables): Promise<string> {
  const path = await findProgram(program, env);
  if (path) return path;
  throw new AppError('EXEC_NOT_FOUND', `Cannot run "${program}": it is not installed or not executable`, {
    details: { program },
  });
}

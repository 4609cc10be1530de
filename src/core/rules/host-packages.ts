/** Package managers that banger can name packages for. */
export type PackageManager = 'apt' | 'dnf' | 'pacman' | 'zypper';

/** Packages to install, by package manager: one name, or several separated by spaces. */
export type Packages = Readonly<Record<PackageManager, string>>;

/** Which packages contain a program or a file; one that is not here is in a package of its own name. */
const PACKAGES: Readonly<Record<string, Packages>> = {
  'qemu-system-x86_64': {
    apt: 'qemu-system-x86',
    dnf: 'qemu-system-x86-core',
    pacman: 'qemu-system-x86',
    // openSUSE has a separate package for the firmware of the microvm machine.
    zypper: 'qemu-x86 qemu-microvm',
  },
  'qemu-system-aarch64': {
    apt: 'qemu-system-arm',
    dnf: 'qemu-system-aarch64-core',
    pacman: 'qemu-system-aarch64',
    zypper: 'qemu-arm',
  },
  'qemu-img': { apt: 'qemu-utils', dnf: 'qemu-img', pacman: 'qemu-img', zypper: 'qemu-tools' },
  'mkfs.ext4': everywhere('e2fsprogs'),
  unshare: everywhere('util-linux'),
  setpriv: everywhere('util-linux'),
  newuidmap: { apt: 'uidmap', dnf: 'shadow-utils', pacman: 'shadow', zypper: 'shadow' },
  ssh: {
    apt: 'openssh-client',
    dnf: 'openssh-clients',
    pacman: 'openssh',
    zypper: 'openssh-clients',
  },
  '/usr/share/keyrings/debian-archive-keyring.gpg': {
    apt: 'debian-archive-keyring',
    dnf: 'debian-keyring',
    pacman: 'debian-archive-keyring',
    zypper: 'debian-archive-keyring',
  },
};

/** Packages that contain all of `wanted` (programs by name, files by path), each named once. */
export function packagesOf(wanted: readonly string[]): Packages {
  const of = (manager: PackageManager): string =>
    [...new Set(wanted.map((one) => PACKAGES[one]?.[manager] ?? one))].join(' ');
  return { apt: of('apt'), dnf: of('dnf'), pacman: of('pacman'), zypper: of('zypper') };
}

/** The next step of a user who lacks `programs`; `what` names them in the sentence. */
export function installHint(programs: readonly string[], what = 'it'): string {
  const { apt, dnf, pacman, zypper } = packagesOf(programs);
  return `install ${what}: apt install ${apt} (Debian, Ubuntu), dnf install ${dnf} (Fedora), pacman -S ${pacman} (Arch), zypper install ${zypper} (openSUSE)`;
}

/** The commands that install `packages`, one for each package manager. */
export function installCommands({ apt, dnf, pacman, zypper }: Packages): string {
  const commands = [
    `apt install ${apt}`,
    `dnf install ${dnf}`,
    `pacman -S ${pacman}`,
    `zypper install ${zypper}`,
  ];
  return commands.join('  |  ');
}

function everywhere(name: string): Packages {
  return { apt: name, dnf: name, pacman: name, zypper: name };
}

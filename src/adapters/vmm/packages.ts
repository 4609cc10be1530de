import { AppError } from '../../base/errors.ts';
import { findProgram, type Variables } from '../../base/process/programs.ts';
import type { DriverProbe } from '../../core/ports/vmm/driver.ts';

/** Package managers whose package names are known here. */
type PackageManager = keyof NonNullable<DriverProbe['packages']>;

/** The packages that contain a program: one name, or several separated by spaces. */
const PACKAGES: Readonly<Record<string, Readonly<Record<PackageManager, string>>>> = {
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
  'mkfs.ext4': { apt: 'e2fsprogs', dnf: 'e2fsprogs', pacman: 'e2fsprogs', zypper: 'e2fsprogs' },
};

/** The packages that contain all of `programs`, by package manager. */
export function packagesOf(programs: readonly string[]): Readonly<Record<PackageManager, string>> {
  const of = (manager: PackageManager): string =>
    [...new Set(programs.map((program) => PACKAGES[program]?.[manager] ?? program))].join(' ');
  return { apt: of('apt'), dnf: of('dnf'), pacman: of('pacman'), zypper: of('zypper') };
}

/** The next step for a user who lacks `programs`. */
export function installHint(programs: readonly string[]): string {
  const { apt, dnf, pacman, zypper } = packagesOf(programs);
  return `install it: apt install ${apt} (Debian, Ubuntu), dnf install ${dnf} (Fedora), pacman -S ${pacman} (Arch), zypper install ${zypper} (openSUSE)`;
}

/**
 * The path of a program that is needed to make drives.
 *
 * @throws {AppError} VMM_TOOL_MISSING naming the package.
 */
export async function requireTool(program: string, env: Variables): Promise<string> {
  const path = await findProgram(program, env);
  if (path) return path;
  throw new AppError('VMM_TOOL_MISSING', `Cannot make drives: "${program}" is not installed`, {
    hint: installHint([program]),
    details: { program, packages: packagesOf([program]) },
  });
}

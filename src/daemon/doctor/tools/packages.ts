/** Packages by package manager. */
export type Packages = Readonly<Record<'apt' | 'dnf' | 'pacman' | 'zypper', string>>;

/** How packages are installed, for each kind of host. */
export function installFix(packages: Packages): string {
  return [
    `apt install ${packages.apt}`,
    `dnf install ${packages.dnf}`,
    `pacman -S ${packages.pacman}`,
    `zypper install ${packages.zypper}`,
  ].join('  |  ');
}

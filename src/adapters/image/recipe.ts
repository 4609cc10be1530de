import type { GuestArch } from '../../core/ports/images.ts';

/** A file that a recipe puts into the image, over what packages brought. */
export interface RecipeFile {
  /** absolute path in the image */
  path: string;
  content: string;
  /** default 0644 */
  mode?: number;
}

/** A systemd unit that a recipe switches off. */
export interface OffUnit {
  unit: string;
  /**
   * - `disable`: not started by itself; others may start it
   * - `mask`: never started
   * - `unwant`: as `disable`, for a unit that its package puts into multi-user.target for good
   */
  how: 'disable' | 'mask' | 'unwant';
  why: string;
}

/** A program that comes in an npm package, one package for each architecture. */
export interface NpmProgram {
  /** `name@version` */
  package: string;
  /**
   * hash of that version's tarball, as the registry told it when the recipe was written (`dist.integrity`)
   */
  integrity: string;
  /** path of the program in the tarball */
  pathInTarball: string;
  /** absolute path in the image */
  installPath: string;
}

/** How a Debian image is made. Data only: `build-debian.ts` does it. */
export interface DebianRecipe {
  name: string;
  distro: 'debian';
  suite: string;
  components: readonly string[];
  packages: readonly string[];
  /** the metapackage that depends on the newest kernel package */
  kernelPackage: (arch: GuestArch) => string;
  npmPrograms: (arch: GuestArch) => readonly NpmProgram[];
  files: readonly RecipeFile[];
  enabledUnits: readonly string[];
  offUnits: readonly OffUnit[];
  /** generators of systemd that find nothing to do here; each would be one more process at each boot */
  offGenerators: readonly string[];
  /** path patterns of dpkg(1) that packages are unpacked without, now and later */
  excludedPaths: readonly string[];
  /** exceptions from these */
  includedPaths: readonly string[];
  /** files to remove at the end, as shell patterns relative to the root */
  removed: readonly string[];
}

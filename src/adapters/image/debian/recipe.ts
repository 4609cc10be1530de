import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';

/** A file that a recipe adds to the image, replacing any from a package. */
export interface RecipeFile {
  /** absolute path in the image */
  path: string;
  content: string;
  /** default 0644 */
  mode?: number;
}

/**
 * A systemd unit that a recipe switches off. 15
 * - `disable`: not started by itself; other units may start it
 * - `mask`: never started
 * - `unwant`: like `disable`, for a unit that its package adds to multi-user.target permanently
 */
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

/** A program from an npm package; each architecture has its own package. */
export interface NpmProgram {
  /** `name@version` */
  package: string;
  /**
   * hash of that version's tarball, as the registry reported it when the recipe was written
   * (`dist.integrity`)
   */
  integrity: string;
  /** path of the program in the tarball */
  pathInTarball: string;
  /** absolute path in the image */
  installPath: string;
}

/** How a Debian image is made. Data only; `build-debian.ts` does the work. */
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
  /** systemd generators with nothing to do here; each would be one more process at every boot */
  offGenerators: readonly string[];
  /** dpkg(1) path patterns that packages are unpacked without, now and later */
  excludedPaths: readonly string[];
  /** exceptions from `excludedPaths` */
  includedPaths: readonly string[];
  /** files to remove at the end, as shell patterns relative to the root */
  removed: readonly string[];
}

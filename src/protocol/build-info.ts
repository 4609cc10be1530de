/** Which build of banger a program is. */
export interface BuildInfo {
  /** exact git tag, else `dev` */
  version: string;
  /** full commit id, else `unknown` */
  commit: string;
  /** UTC, RFC 3339, else `unknown` */
  builtAt: string;
}

/** The bundler replaces this name; it is absent when the sources run unbundled. */
declare const __BANGER_BUILD__: BuildInfo | undefined;

/** The build that this program is part of. */
export function buildInfo(): BuildInfo {
  if (typeof __BANGER_BUILD__ === 'object') return __BANGER_BUILD__;
  return { version: 'dev', commit: 'unknown', builtAt: 'unknown' };
}

/** The version for people: that of a release, otherwise `dev` and the commit. */
export function releaseOf({ version, commit }: BuildInfo): string {
  return version === 'dev' && commit !== 'unknown' ? `dev+${commit.slice(0, 12)}` : version;
}

/** A token that differs between any two builds; the value of the version header. */
export function buildLabel(build: BuildInfo): string {
  return `${build.version}+${build.commit.slice(0, 12)}.${build.builtAt.replace(/[^0-9A-Za-z]/g, '')}`;
}

import { ARCH_PLACE, type Manifest } from '../../src/cli/update/manifest.ts';
import { compareVersions } from '../../src/cli/update/version-order.ts';

const DAY_MS = 24 * 60 * 60_000;

/** How long clients may use a list of releases, in days; it must be signed again before that. */
const VALID_DAYS = 180;

/**
 * The list of releases with one more, or with a newer description of one that it has: `src/cli/update` reads
 * it. Its URLs are relative to its own.
 */
export function manifestWith(
  before: Manifest | undefined,
  { version, builtAt, nowMs }: { version: string; builtAt: string; nowMs: number },
): Manifest {
  const others = (before?.releases ?? []).filter((release) => release.version !== version);
  const own = {
    version,
    tarball_url: `${version}/banger-${version}-linux-${ARCH_PLACE}.tar.zst`,
    sha256sums_url: `${version}/SHA256SUMS`,
    sha256sums_sig_url: `${version}/SHA256SUMS.sig`,
    released_at: builtAt,
  };
  const releases = [...others, own].sort((a, b) => compareVersions(b.version, a.version));
  const latest = releases[0]?.version ?? version;
  return { ...renewed({ schema_version: 1, latest_stable: latest, releases }, { nowMs }) };
}

/** The same list, good for another {@link VALID_DAYS}. */
export function renewed(list: Manifest, { nowMs }: { nowMs: number }): Manifest {
  return { ...list, expires_at: new Date(nowMs + VALID_DAYS * DAY_MS).toISOString() };
}

/** The list as it is published. */
export function manifestText(list: Manifest): string {
  return `${JSON.stringify(list, null, 2)}\n`;
}

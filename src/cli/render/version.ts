import type { BuildInfo } from '../../protocol/build-info.ts';

/** `banger v0.1.0 (commit abcd1234, built 2026-01-02T03:04:05Z)`; the second word is the version. */
export function versionLine(build: BuildInfo): string {
  return `banger ${build.version} (commit ${build.commit.slice(0, 12)}, built ${build.builtAt})`;
}

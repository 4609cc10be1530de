import { AppError } from '../../base/errors.ts';

/** Platforms of guests, as container tools write them. */
export const PLATFORMS = ['linux/amd64', 'linux/arm64'] as const;
export type Platform = (typeof PLATFORMS)[number];

/** Processor architectures of guests, by Debian's names. */
export const ARCHS = ['amd64', 'arm64'] as const;
export type Arch = (typeof ARCHS)[number];

/** The architecture of a platform. */
export function archOfPlatform(platform: Platform): Arch {
  return platform === 'linux/arm64' ? 'arm64' : 'amd64';
}

/** The platform of an architecture. */
export function platformOf(arch: Arch): Platform {
  return `linux/${arch}`;
}

/** Other spellings of {@link PLATFORMS}. */
const ALIASES: Readonly<Record<string, Platform>> = {
  amd64: 'linux/amd64',
  x86_64: 'linux/amd64',
  arm64: 'linux/arm64',
  aarch64: 'linux/arm64',
  'arm64/v8': 'linux/arm64',
};

/**
 * Parses a platform as container tools write it: `linux/arm64`, with the variant `v8` too, and without
 * `linux/`.
 *
 * @throws {AppError} USAGE_OPTION_VALUE
 */
export function parsePlatform(text: string): Platform {
  const found = ALIASES[text.toLowerCase().replace(/^linux\//, '')];
  if (found) return found;
  const shown = text.slice(0, 100);
  throw new AppError(
    'USAGE_OPTION_VALUE',
    `Cannot use "${shown}" for --platform: guests have no such platform`,
    {
      hint: `--platform takes ${PLATFORMS.join(' or ')}`,
      details: { field: 'platform', value: shown },
    },
  );
}

/*
 * A name belongs to one image for each architecture. Images of this host's have the plain name or the
 * reference itself; that of another architecture ends with `+` and the architecture:
 * `docker.io/library/alpine:3.20+arm64`. No reference and no plain name contains `+`.
 */

/** A name of an image without its architecture, and that, if the name says it. */
export function splitImageName(name: string): { base: string; arch?: Arch } {
  const [, base, arch] = /^(.+)\+(amd64|arm64)$/s.exec(name) ?? [];
  return base === undefined || arch === undefined ? { base: name } : { base, arch: arch as Arch };
}

/** The name of the image `base` for `arch` on a host of `hostArch`. */
export function imageNameFor(base: string, { arch, hostArch }: { arch: Arch; hostArch: Arch }): string {
  return arch === hostArch ? base : `${base}+${arch}`;
}

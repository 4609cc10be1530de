import { parseArgs } from 'node:util';
import { type HostArch, NODE_ARCH } from './release-tree.ts';

/** What `npm run release` was asked for. */
export interface ReleaseOptions {
  /** `vX.Y.Z`; absent: the tag of the commit */
  version?: string;
  outDir?: string;
  archs: readonly HostArch[];
  /** path of the signing key, PEM */
  keyPath?: string;
  /** where the files will be downloaded from, for the install script */
  baseUrl?: string;
  /** of zstd */
  level: number;
}

export const USAGE = `usage: npm run release -- [--version vX.Y.Z] [--out FOLDER] [--arch amd64|arm64]... [--key FILE] [--base-url URL] [--level 19]

Builds the packages of the commit that is checked out: an archive and a Debian package for each
architecture, a package for npm, a bill of materials, SHA256SUMS. One commit always gives the same bytes.

  --version   default: the tag of the commit; package.json must have the same
  --out       default: .cache/release/VERSION
  --arch      default: all
  --key       signs SHA256SUMS with this ECDSA P-256 key (PEM), and writes install.sh, which checks that
  --base-url  where users will find the files; written into install.sh
  --level     how hard zstd compresses, 1 to 22
`;

/**
 * Parses the command line; undefined: help was asked for.
 *
 * @throws {Error} naming the option and what it may be.
 */
export function releaseOptions(argv: readonly string[]): ReleaseOptions | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      version: { type: 'string' },
      out: { type: 'string' },
      arch: { type: 'string', multiple: true },
      key: { type: 'string' },
      'base-url': { type: 'string' },
      level: { type: 'string', default: '19' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return undefined;
  const { version, out, arch = Object.keys(NODE_ARCH), key, 'base-url': baseUrl } = values;
  const archs = arch.map((name) => {
    if (!isHostArch(name))
      throw new Error(`--arch "${name}": it may be ${Object.keys(NODE_ARCH).join(' or ')}`);
    return name;
  });
  if (version !== undefined && !/^v\d+\.\d+\.\d+$/.test(version)) {
    throw new Error(`--version "${version}": it is vX.Y.Z`);
  }
  const level = Number(values.level);
  if (!Number.isInteger(level) || level < 1 || level > 22) {
    throw new Error(`--level "${values.level}": it is a whole number from 1 to 22`);
  }
  if (baseUrl !== undefined && !/^(https|file):\/\//.test(baseUrl)) {
    throw new Error(`--base-url "${baseUrl}": it begins with https:// or file://`);
  }
  if (baseUrl !== undefined && key === undefined) {
    throw new Error('--base-url needs --key: install.sh installs nothing that is not signed');
  }
  return {
    archs,
    level,
    ...(version !== undefined && { version }),
    ...(out !== undefined && { outDir: out }),
    ...(key !== undefined && { keyPath: key }),
    ...(baseUrl !== undefined && { baseUrl }),
  };
}

function isHostArch(name: string): name is HostArch {
  return Object.hasOwn(NODE_ARCH, name);
}

import { parseArgs } from 'node:util';
import { type HostArch, NODE_ARCH } from './release-tree.ts';

/** What `npm run release` was asked for. */
export interface ReleaseOptions {
  /** `vX.Y.Z`; absent: the tag of the commit */
  version?: string;
  outDir?: string;
  archs: readonly HostArch[];
  /** paths of the signing keys, PEM */
  keyPaths: readonly string[];
  /** paths of the public keys that updates of this release trust; none: those of the signing keys */
  publicKeyPaths: readonly string[];
  /** how many of the public keys must have signed a release */
  threshold: number;
  /** where the files will be downloaded from */
  baseUrl?: string;
  /** path of the list of earlier releases */
  manifestPath?: string;
  /** path of a list of releases to sign again, instead of building one */
  renewPath?: string;
  /** of zstd */
  level: number;
}

export const USAGE = `usage: npm run release -- [--version vX.Y.Z] [--out FOLDER] [--arch amd64|arm64]... [--key FILE]... [--public-key FILE]...
           [--threshold 1] [--base-url URL] [--manifest FILE] [--level 19]
       npm run release -- --renew FILE --key FILE... [--out FOLDER]

Builds the packages of the commit that is checked out: an archive and a Debian package for each
architecture, a package for npm, a bill of materials, SHA256SUMS. One commit always gives the same bytes.

  --version     default: the tag of the commit; package.json must have the same
  --out         default: .cache/release/VERSION
  --arch        default: all
  --key         signs with this ECDSA P-256 key (PEM); with several, each signs
  --public-key  installs of this release trust this key; default: the public halves of --key
  --threshold   how many of these must have signed a release
  --base-url    where users will find the files: install.sh and banger update download from there
  --manifest    the list of earlier releases; manifest.json has this one too
  --level       how hard zstd compresses, 1 to 22
  --renew       signs a list of releases again, before it expires, and builds nothing
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
      key: { type: 'string', multiple: true },
      'public-key': { type: 'string', multiple: true },
      threshold: { type: 'string', default: '1' },
      'base-url': { type: 'string' },
      manifest: { type: 'string' },
      renew: { type: 'string' },
      level: { type: 'string', default: '19' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return undefined;
  const { version, out, arch = Object.keys(NODE_ARCH), key: keyPaths = [], 'base-url': baseUrl } = values;
  const { 'public-key': publicKeyPaths = [], manifest: manifestPath, renew: renewPath } = values;
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
  const keyCount = publicKeyPaths.length > 0 ? publicKeyPaths.length : keyPaths.length;
  if (baseUrl !== undefined && keyCount === 0) {
    throw new Error('--base-url needs --key or --public-key: nothing is installed that is not signed');
  }
  const threshold = Number(values.threshold);
  if (!Number.isInteger(threshold) || threshold < 1 || threshold > Math.max(1, keyCount)) {
    throw new Error(`--threshold "${values.threshold}": it is a whole number from 1 to the number of keys`);
  }
  if (renewPath !== undefined && keyPaths.length === 0) throw new Error('--renew needs --key');
  return {
    archs,
    level,
    ...(version !== undefined && { version }),
    ...(out !== undefined && { outDir: out }),
    keyPaths,
    publicKeyPaths,
    threshold,
    ...(manifestPath !== undefined && { manifestPath }),
    ...(renewPath !== undefined && { renewPath }),
    ...(baseUrl !== undefined && { baseUrl }),
  };
}

function isHostArch(name: string): name is HostArch {
  return Object.hasOwn(NODE_ARCH, name);
}

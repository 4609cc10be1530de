import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../src/base/abort.ts';
import { COMPLETION_SCRIPTS } from '../../src/cli/completion/scripts.ts';
import { CONTENTS_FILE, contentsText, type FoundFile } from '../../src/cli/update/contents.ts';
import type { ReleaseSource } from '../../src/cli/update/installation.ts';
import type { BuildInfo } from '../../src/protocol/build-info.ts';
import { type PackageEntry, plainFile, programFile } from './entries.ts';
import { lockedPackage, npmFiles } from './npm-download.ts';

/** Architectures of hosts, by Debian's names, and Node's name for each. */
export const NODE_ARCH = { amd64: 'x64', arm64: 'arm64' } as const;
export type HostArch = keyof typeof NODE_ARCH;

/** Where the shells look for completions, below `share/`. */
const COMPLETION_PLACES: Readonly<Record<string, string>> = {
  bash: 'bash-completion/completions/banger',
  fish: 'fish/vendor_completions.d/banger.fish',
  zsh: 'zsh/site-functions/_banger',
};

/** What every package of a release has, on whatever architecture. */
export interface CommonFiles {
  /** the bundles by name, such as `banger.cjs` */
  bundles: ReadonlyMap<string, Buffer>;
  manual: string;
  /** licences of all that is inside, by component */
  licences: ReadonlyMap<string, string>;
  /** `release.json` without the architecture; `update` says where its users find newer releases */
  release: BuildInfo & { update?: ReleaseSource };
}

/**
 * The files that an installed banger consists of, in the places that a checkout has them too: the programs
 * find one another by them. With Node inside, so that the host needs none.
 */
export async function releaseTree(
  root: string,
  arch: HostArch,
  { bundles, manual, licences, release, cacheDir, signal }: Abortable & CommonFiles & { cacheDir: string },
): Promise<PackageEntry[]> {
  const node = await nodeProgram(root, arch, { cacheDir, signal });
  const entries = [
    programFile('bin/banger', await readFile(join(root, 'bin/banger'))),
    programFile('node/bin/node', node),
    ...(await goPrograms(root, [arch])),
    ...[...bundles].map(([name, content]) => plainFile(`dist/${name}`, content)),
    plainFile('share/man/man1/banger.1', manual),
    ...Object.entries(COMPLETION_PLACES).map(([shell, place]) =>
      plainFile(`share/${place}`, COMPLETION_SCRIPTS[shell] ?? ''),
    ),
    ...(await documents(root)).map(([name, content]) => plainFile(`share/doc/banger/${name}`, content)),
    ...[...licences].map(([name, licence]) =>
      plainFile(`share/licenses/banger/${fileNameOf(name)}`, licence),
    ),
    plainFile('release.json', `${JSON.stringify({ ...release, arch })}\n`),
  ];
  return [...entries, plainFile(CONTENTS_FILE, contentsOf(entries))];
}

/** The list of these files that `banger update` compares with what it unpacks. */
export function contentsOf(entries: readonly PackageEntry[]): string {
  return contentsText(
    new Map(
      entries.flatMap((entry): [string, FoundFile][] => {
        if ('target' in entry) throw new Error(`a release has no links: ${entry.path}`);
        const { path, content, isProgram } = entry;
        const sha256 = createHash('sha256').update(content).digest('hex');
        return [[path, { sha256, sizeBytes: content.length, isProgram }]];
      }),
    ),
  );
}

/** The Go programs for hosts of these architectures; agents for guests of all. */
export async function goPrograms(root: string, hosts: readonly HostArch[]): Promise<PackageEntry[]> {
  const paths = [
    ...(Object.keys(NODE_ARCH) as HostArch[]).map((arch) => `agent/bin/banger-agent-${arch}`),
    ...hosts.flatMap((arch) => [`host/bin/banger-host-${arch}`, `root/bin/bangerd-root-${arch}`]),
  ];
  return await Promise.all(paths.map(async (path) => programFile(path, await readFile(join(root, path)))));
}

/** Documents that users read, by name. */
export async function documents(root: string): Promise<[name: string, content: Buffer][]> {
  const names = ['README.md', 'CHANGELOG.md', 'SECURITY.md', 'LICENSE'];
  return await Promise.all(
    names.map(async (name): Promise<[string, Buffer]> => [name, await readFile(join(root, name))]),
  );
}

async function nodeProgram(
  root: string,
  arch: HostArch,
  options: Abortable & { cacheDir: string },
): Promise<Buffer> {
  const pkg = await lockedPackage(root, `node-linux-${NODE_ARCH[arch]}`);
  const files = await npmFiles(pkg, { ...options, wanted: (path) => path === 'bin/node' });
  const node = files.get('bin/node');
  if (node === undefined) throw new Error(`${pkg.name} has no bin/node`);
  return node;
}

/** A component's name as a file name. */
function fileNameOf(name: string): string {
  return name.replaceAll('/', '_');
}

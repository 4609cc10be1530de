import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { below, type PackageEntry, plainFile, programFile } from './entries.ts';
import { type CommonFiles, documents, goPrograms, NODE_ARCH } from './release-tree.ts';
import { gzipped, tarArchive } from './tar-archive.ts';

/**
 * A package for `npm install -g` (or `npx`): bundles and Go programs for both architectures, ready to run,
 * without an install script. Node comes as an optional dependency, so that npm fetches the host's.
 */
export async function npmPackage(
  root: string,
  { bundles, licences, release, mtimeMs }: CommonFiles & { mtimeMs: number },
): Promise<Buffer> {
  const hosts = Object.keys(NODE_ARCH) as (keyof typeof NODE_ARCH)[];
  const own = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as PackageJson;
  const notices = [...licences].map(([name, licence]) => `== ${name}\n\n${licence}`).join('\n');
  const entries: PackageEntry[] = [
    plainFile('package.json', `${JSON.stringify(published(own, release.version), null, 2)}\n`),
    programFile('bin/banger', await readFile(join(root, 'bin/banger'))),
    ...[...bundles].map(([name, content]) => plainFile(`dist/${name}`, content)),
    ...(await goPrograms(root, hosts)),
    ...(await documents(root)).map(([name, content]) => plainFile(name, content)),
    plainFile('THIRD-PARTY-LICENSES', notices),
  ];
  return await gzipped(tarArchive(below('package', entries), { mtimeMs }));
}

interface PackageJson {
  name: string;
  description: string;
  license: string;
  bin: Record<string, string>;
  optionalDependencies: Record<string, string>;
}

/** The `package.json` that users get: what runs, not what builds. */
function published(own: PackageJson, version: string): object {
  const { name, description, license, bin, optionalDependencies } = own;
  return {
    name,
    version: version.replace(/^v/, ''),
    description,
    license,
    os: ['linux'],
    cpu: Object.values(NODE_ARCH),
    bin,
    optionalDependencies: Object.fromEntries(
      Object.entries(optionalDependencies).filter(([dependency]) => dependency.startsWith('node-linux-')),
    ),
  };
}

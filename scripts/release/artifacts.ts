import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Abortable } from '../../src/base/abort.ts';
import { CATALOG } from '../../src/cli/commands.ts';
import type { ReleaseSource } from '../../src/cli/update/installation.ts';
import type { BuildInfo } from '../../src/protocol/build-info.ts';
import { bundlePrograms } from '../build/bundle.ts';
import { billOfMaterials } from './bill-of-materials.ts';
import type { Artifact } from './checksums.ts';
import { type Component, goComponents, npmComponents } from './components.ts';
import { debianPackage } from './debian-package.ts';
import { below } from './entries.ts';
import { manPage } from './man-page.ts';
import { npmPackage } from './npm-package.ts';
import { provenance } from './provenance.ts';
import { type CommonFiles, type HostArch, releaseTree } from './release-tree.ts';
import { tarArchive, type ZstdLevel, zstd } from './tar-archive.ts';

/**
 * Builds the packages of a release in memory: for each architecture an archive and a Debian package, then the
 * package for npm, the bill of materials and the provenance. The Go programs must have been built. The same
 * commit, options and Node give the same bytes.
 */
export async function buildArtifacts(
  root: string,
  {
    info,
    update,
    archs,
    level,
    cacheDir,
    say,
    signal,
  }: Abortable &
    ZstdLevel & {
      info: BuildInfo;
      /** where installs of this release find newer ones */
      update?: ReleaseSource | undefined;
      archs: readonly HostArch[];
      /** keeps what is downloaded */
      cacheDir: string;
      say: (text: string) => void;
    },
): Promise<Artifact[]> {
  const mtimeMs = Date.parse(info.builtAt);
  const bare = info.version.slice(1);
  const bundles = await bundlePrograms(root, { info, outDir: 'dist' });
  const components = [
    ...(await npmComponents(root, bundles.packages)),
    ...(await goComponents(root, { signal })),
  ];
  const all = [await nodeComponent(root), ...components];
  const shared = {
    bundles: new Map(bundles.files.map(({ path, contents }) => [basename(path), Buffer.from(contents)])),
    manual: manPage(CATALOG, { version: info.version, date: info.builtAt.slice(0, 10) }),
    release: { ...info, ...(update && { update }) },
  };
  const withLicences = (inside: readonly Component[]): CommonFiles => ({
    ...shared,
    licences: new Map(inside.map(({ name, licence }) => [name, licence])),
  });
  const copyright = await readFile(join(root, 'LICENSE'), 'utf8');
  const artifacts: Artifact[] = [];
  for (const arch of archs) {
    say(`packages for ${arch}`);
    const tree = await releaseTree(root, arch, { ...withLicences(all), cacheDir, signal });
    const name = `banger-${info.version}-linux-${arch}`;
    const archive = await zstd(tarArchive(below(name, tree), { mtimeMs }), { level });
    const debian = await debianPackage(tree, { version: bare, arch, mtimeMs, level, copyright });
    artifacts.push(
      { name: `${name}.tar.zst`, content: archive },
      { name: `banger_${bare}_${arch}.deb`, content: debian },
    );
  }
  say('package for npm');
  const npm = await npmPackage(root, { ...withLicences(components), mtimeMs });
  artifacts.push(
    { name: `banger-${bare}.tgz`, content: npm },
    { name: `banger-${info.version}.cdx.json`, content: Buffer.from(billOfMaterials(all, info)) },
  );
  const statement = provenance(artifacts, all, { ...info, archs, level, update });
  return [...artifacts, { name: `banger-${info.version}.provenance.json`, content: Buffer.from(statement) }];
}

/** Node itself, which every package but npm's has inside. */
async function nodeComponent(root: string): Promise<Component> {
  const [node] = await npmComponents(root, [`node-linux-${process.arch}`]);
  if (node === undefined) throw new Error('the checkout has no Node of its own');
  return { ...node, name: 'node', purl: `pkg:generic/node@${node.version}` };
}

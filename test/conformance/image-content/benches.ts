import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArchiveSource } from '../../../src/adapters/image/oci/archive-source.ts';
import { FsBlobStore } from '../../../src/adapters/image/store/blob-store.ts';
import type { LayersContent } from '../../../src/core/ports/images/image-source.ts';
import { fakeOci } from '../../support/fakes/fake-oci.ts';
import { BUILT_HOST_TOOLS } from '../../support/host-tools.ts';

/** The program that does the work: `banger-host`, or what stands in for it in tests. */
export interface OciBench {
  program: { hostTools: string; env: NodeJS.ProcessEnv; blobsDir: string; platform: string };
  blobs: FsBlobStore;
  /** makes a folder with a file of this content, and returns its path */
  tree(name: string): Promise<string>;
  /** imports such a folder */
  importTree(name: string): Promise<LayersContent>;
}

/** Whether tests run the product's program or its stand-in. */
export type OciKind = 'banger-host' | 'its stand-in';
export const OCI_KINDS: readonly OciKind[] = ['banger-host', 'its stand-in'];

/** Opens an empty blob store in `dir`. */
export async function openOciBench(kind: OciKind, dir: string): Promise<OciBench> {
  const hostTools = kind === 'banger-host' ? BUILT_HOST_TOOLS : (await fakeOci(dir)).hostTools;
  const blobs = new FsBlobStore({ dir: join(dir, 'content') });
  const program = { hostTools, env: {}, blobsDir: blobs.dir, platform: 'linux/amd64' };
  const tree = async (name: string): Promise<string> => {
    const path = join(dir, 'trees', name);
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'file'), `of ${name}\n`);
    // The same folder is the same image.
    for (const one of [join(path, 'file'), path]) await utimes(one, 1e9, 1e9);
    return path;
  };
  const importTree = async (name: string): Promise<LayersContent> => {
    const task = { report: () => {}, signal: AbortSignal.timeout(60_000), arch: 'amd64' } as const;
    return await new ArchiveSource(program).fetch({ format: 'dir', path: await tree(name) }, task);
  };
  return { program, blobs, tree, importTree };
}

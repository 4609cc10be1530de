import { join } from 'node:path';
import { RecipeSource } from '../../../src/adapters/image/debian/recipe-source.ts';
import { TreeRootfsBuilder } from '../../../src/adapters/image/debian/tree-rootfs.ts';
import { FileSource } from '../../../src/adapters/image/file-source.ts';
import { ArchiveSource } from '../../../src/adapters/image/oci/archive-source.ts';
import { LayersRootfsBuilder } from '../../../src/adapters/image/oci/layers-rootfs.ts';
import { RegistrySource } from '../../../src/adapters/image/oci/registry-source.ts';
import { OciVmRootSource } from '../../../src/adapters/image/oci/vm-root-source.ts';
import { PACKAGE_SETS } from '../../../src/adapters/image/packages/package-sets.ts';
import { PackagesSource } from '../../../src/adapters/image/packages/packages-source.ts';
import { FsBlobStore } from '../../../src/adapters/image/store/blob-store.ts';
import { FsImageStore } from '../../../src/adapters/image/store/image-store.ts';
import { contentDir } from '../../../src/adapters/image/store/layout.ts';
import type { KernelPublisher } from '../../../src/core/ports/images/kernels.ts';
import type { FakeBuildTools } from '../fakes/fake-build-tools.ts';
import type { FakeOci } from '../fakes/fake-oci.ts';
import { BUILT_HOST_TOOLS } from '../host-tools.ts';
import { nullLog } from '../null-log.ts';
import { IDLE_KERNELS } from './idle-kernels.ts';
import { smallRecipe } from './small-recipe.ts';

/** What an image store of a test is made of. */
export interface TestStoreOptions {
  dir: string;
  tools: FakeBuildTools;
  oci: FakeOci;
  kernels?: KernelPublisher;
}

/** The product's image store in `dir`, with the recipe `small`, on stand-ins for all programs. */
export function testImageStore({ dir, tools, oci, kernels }: TestStoreOptions): FsImageStore {
  const imagesDir = join(dir, 'images');
  const uid = process.getuid?.() ?? 0;
  const recipes = [smallRecipe(tools)];
  const builder = { arch: 'amd64', uid, env: tools.env, hostTools: BUILT_HOST_TOOLS, log: nullLog } as const;
  const blobs = new FsBlobStore({ dir: contentDir(imagesDir) });
  const program = { hostTools: oci.hostTools, env: {}, blobsDir: blobs.dir };
  const archive = new ArchiveSource(program);
  const settings = { mirrors: {}, insecure: [] };
  return new FsImageStore({
    imagesDir,
    kernels: kernels ?? IDLE_KERNELS,
    blobs,
    sources: {
      recipe: new RecipeSource({ ...builder, recipes }),
      registry: new RegistrySource({ ...program, settings }),
      archive,
      commit: new OciVmRootSource(program),
      file: new FileSource(),
      packages: new PackagesSource({ sets: PACKAGE_SETS, importer: archive, env: tools.env }),
    },
    rootfs: {
      tree: new TreeRootfsBuilder({ uid, env: tools.env }),
      layers: new LayersRootfsBuilder(program),
    },
    arch: 'amd64',
    uid,
    env: tools.env,
    log: nullLog,
    recipes: recipes.map(({ name }) => name),
  });
}

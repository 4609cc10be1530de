import { join } from 'node:path';
import { FsImageStore } from '../../../src/adapters/image/image-store.ts';
import { fakeBuildTools } from '../../support/fakes/fake-build-tools.ts';
import { BUILT_HOST_TOOLS } from '../../support/host-tools.ts';
import { nullLog } from '../../support/null-log.ts';
import { smallRecipe } from '../../support/small-recipe.ts';
import { describeImageStore } from './store-suite.ts';

describeImageStore('file system', async (dir) => {
  const tools = await fakeBuildTools(dir);
  const recipe = smallRecipe(tools);
  const store = new FsImageStore({
    imagesDir: join(dir, 'images'),
    kernels: { publish: async () => {}, retainOnly: async () => {} },
    arch: 'amd64',
    uid: process.getuid?.() ?? 0,
    env: tools.env,
    hostTools: BUILT_HOST_TOOLS,
    log: nullLog,
    recipes: [recipe],
  });
  return { store, name: recipe.name };
});

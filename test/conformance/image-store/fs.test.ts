import { join } from 'node:path';
import { FsImageStore } from '../../../src/adapters/image/image-store.ts';
import { fakeBuildTools } from '../../support/fake-build-tools.ts';
import { nullLog } from '../../support/null-log.ts';
import { SMALL_RECIPE } from '../../support/small-recipe.ts';
import { describeImageStore } from './store-suite.ts';

describeImageStore('file system', async (dir) => {
  const { env } = await fakeBuildTools(dir);
  const store = new FsImageStore({
    imagesDir: join(dir, 'images'),
    kernels: { publish: async () => {}, retainOnly: async () => {} },
    arch: 'amd64',
    uid: process.getuid?.() ?? 0,
    env,
    log: nullLog,
    recipes: [SMALL_RECIPE],
  });
  return { store, name: SMALL_RECIPE.name };
});

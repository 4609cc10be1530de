import { join } from 'node:path';
import { FAKE_IMAGE, makeFakeStores } from '../../support/fakes/fake-images.ts';
import { describeImageStore } from './store-suite.ts';

describeImageStore('fake', async (dir) => {
  const { images } = await makeFakeStores(join(dir, 'store'), { isBuilt: false });
  return { store: images, name: FAKE_IMAGE };
});

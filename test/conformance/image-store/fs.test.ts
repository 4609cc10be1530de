import { fakeBuildTools } from '../../support/fakes/fake-build-tools.ts';
import { fakeOci } from '../../support/fakes/fake-oci.ts';
import { testImageStore } from '../../support/images/image-store.ts';
import { describeImageStore } from './store-suite.ts';

describeImageStore('file system', async (dir) => {
  const store = testImageStore({ dir, tools: await fakeBuildTools(dir), oci: await fakeOci(dir) });
  return { store, name: 'small' };
});

import { join } from 'node:path';
import { fakeWorkDiskBases } from '../../support/fakes/fake-work-disk-bases.ts';
import { describeWorkDiskBases } from './bases-suite.ts';

describeWorkDiskBases('fake', async (dir) => {
  const basesDir = join(dir, 'bases');
  const image = { id: 'sha256:1', name: 'image', rootfsPath: join(dir, 'none') };
  return { bases: fakeWorkDiskBases(basesDir), image, basesDir };
});

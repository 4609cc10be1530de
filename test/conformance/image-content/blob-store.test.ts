import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OCI_KINDS, openOciBench } from './benches.ts';
import { describeBlobStore } from './blob-store-suite.ts';

for (const kind of OCI_KINDS) {
  describeBlobStore(kind, async (dir) => {
    const { blobs, importTree } = await openOciBench(kind, dir);
    return {
      store: blobs,
      put: async (name) => (await importTree(name)).blobs,
      leavePartial: async () => {
        await mkdir(join(blobs.dir, 'partial'), { recursive: true });
        await writeFile(join(blobs.dir, 'partial', `sha256-${'0'.repeat(64)}`), 'half');
      },
    };
  });
}

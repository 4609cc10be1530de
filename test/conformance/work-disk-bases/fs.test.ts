import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { FsWorkDiskBases } from '../../../src/adapters/workspace/base/base-store.ts';
import { makeImageOf } from '../../helpers/read-image.ts';
import { BUILT_HOST_TOOLS } from '../../support/host-tools.ts';
import { nullLog } from '../../support/null-log.ts';
import { describeWorkDiskBases } from './bases-suite.ts';

describeWorkDiskBases('file system', async (dir) => {
  const tree = join(dir, 'tree');
  mkdirSync(join(tree, 'root'), { recursive: true });
  const rootfsPath = join(dir, 'rootfs.ext4');
  makeImageOf(tree, rootfsPath);
  const basesDir = join(dir, 'bases');
  const bases = new FsWorkDiskBases({ basesDir, hostTools: BUILT_HOST_TOOLS, log: nullLog });
  const image = { id: 'sha256:1', name: 'image', rootfsPath };
  return { bases, image, basesDir, settled: () => bases.settled() };
});

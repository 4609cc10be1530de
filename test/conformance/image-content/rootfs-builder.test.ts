import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TreeRootfsBuilder } from '../../../src/adapters/image/debian/tree-rootfs.ts';
import { LayersRootfsBuilder } from '../../../src/adapters/image/oci/layers-rootfs.ts';
import type { LayersContent, TreeContent } from '../../../src/core/ports/images/image-source.ts';
import { assertCleanImage, copyFromImage } from '../../helpers/read-image.ts';
import { openOciBench } from './benches.ts';
import { describeRootfsBuilder } from './rootfs-builder-suite.ts';

const MISSING = `sha256:${'0'.repeat(64)}`;

/** Fails when the image is no clean file system with the file of the tree "one". */
function checkOf(dir: string) {
  return async (rootfsPath: string): Promise<void> => {
    assertCleanImage(rootfsPath);
    copyFromImage(rootfsPath, '/', join(dir, 'copied'));
    assert.equal(await readFile(join(dir, 'copied', 'file'), 'utf8'), 'of one\n');
  };
}

describeRootfsBuilder<LayersContent>('banger-host', async (dir) => {
  const { program, importTree } = await openOciBench('banger-host', dir);
  const content = await importTree('one');
  return {
    builder: new LayersRootfsBuilder(program),
    content,
    damaged: { content: { ...content, manifestDigest: MISSING }, codes: ['IMAGE_DAMAGED'] },
    check: checkOf(dir),
  };
});

describeRootfsBuilder<TreeContent>('mkfs.ext4', async (dir) => {
  const { tree } = await openOciBench('its stand-in', dir);
  const content = { kind: 'tree', treeDir: await tree('one'), distro: 'debian', kernel: {} } as TreeContent;
  return {
    builder: new TreeRootfsBuilder({ uid: process.getuid?.() ?? 0, env: process.env }),
    content,
    damaged: {
      content: { ...content, treeDir: join(dir, 'none') },
      codes: ['EXEC_FAILED', 'IMAGE_BUILD_FAILED'],
    },
    check: checkOf(dir),
  };
});

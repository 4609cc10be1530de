import assert from 'node:assert/strict';
import { test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { fill } from '../../support/steps/fill.ts';
import { openStepLab } from '../../support/steps/step-lab.ts';

const signal = neverAborts();

test('a resume on a full disk is refused before anything is lost', {
  skip: process.getuid?.() === 0 ? false : 'only root can mount a file system to fill',
}, async () => {
  await using lab = await openStepLab({ kind: 'fake', ownsCache: true, sizeBytes: 1024 * 2 ** 20 });
  await lab.start();
  await resultOf(lab.client.createVm({ name: 'box' }, { signal }));
  await resultOf(lab.client.suspendVm('box', { signal }));
  fill(lab.mountedDir);
  await assert.rejects(resultOf(lab.client.startVm('box', { signal })), { code: 'HOST_NO_SPACE' });
  assert.equal(lab.records()[0]?.state, 'suspended');
  await lab.freeSpace();
  assert.equal((await resultOf(lab.client.startVm('box', { signal }))).state, 'running');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireTool } from './require-tool.ts';

test('a tool is also found outside an ordinary PATH', async () => {
  assert.match(await requireTool('mkfs.ext4', { PATH: '/usr/bin' }), /\/mkfs\.ext4$/);
});

test('a missing tool is named with its package', async () => {
  await assert.rejects(requireTool('mkfs.none', { PATH: '/nowhere' }), { code: 'VMM_TOOL_MISSING' });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeConfigs } from '../config.ts';
import { readMetadata } from '../read-fields.ts';
import { metadataOf } from './find-image.ts';
import { shapeOf } from './plan-run.ts';

const asIs = <T>(value: T): T => value;

test('a VM has at least what the file requires, unless the command line says otherwise', () => {
  const request = { vcpuCount: 2, memoryMib: 4096, diskSizeBytes: 8, systemOverlaySizeBytes: 16 };
  const wanted = { cpus: 4, memoryMib: 2048, storageBytes: 10 };
  assert.deepEqual(shapeOf(request, wanted, new Set()), {
    vcpuCount: 4,
    memoryMib: 4096,
    diskSizeBytes: 10,
    systemOverlaySizeBytes: 16,
  });
  assert.deepEqual(shapeOf(request, wanted, new Set(['vcpuCount', 'diskSizeBytes'])), {
    memoryMib: 4096,
    systemOverlaySizeBytes: 16,
  });
  assert.deepEqual(shapeOf(request, {}, new Set()), {});
});

test('the metadata of an image is below the file: its hooks run first, and its values give way', () => {
  const label = JSON.stringify([
    { remoteUser: 'first', postCreateCommand: 'one', containerEnv: { A: '1', B: '1' } },
    { remoteUser: 'vscode', postCreateCommand: 'two', containerEnv: { A: '2' }, forwardPorts: [80] },
    'nonsense',
  ]);
  const metadata = metadataOf({ config: { labels: { 'devcontainer.metadata': label } } }, asIs);
  const own = readMetadata({ postCreateCommand: 'three', containerEnv: { B: '3' }, forwardPorts: [80, 90] });
  const merged = mergeConfigs(metadata, own);
  assert.equal(merged.remoteUser, 'vscode');
  assert.deepEqual(merged.containerEnv, { A: '2', B: '3' });
  assert.deepEqual(
    merged.hooks.postCreateCommand.map(([command]) => command?.argv.at(-1)),
    ['one', 'two', 'three'],
  );
  assert.deepEqual(
    merged.ports.map(({ port }) => port),
    [80, 90],
  );
});

test('a label that is no metadata asks for nothing', () => {
  for (const label of [undefined, 7, '', '{', '7', '[[[]]]', '{"remoteUser": 7}', '['.repeat(1000)]) {
    const labels = { 'devcontainer.metadata': label };
    const config = metadataOf({ config: { labels } }, asIs);
    assert.equal(config.remoteUser, undefined);
    assert.deepEqual(config.containerEnv, {});
  }
  assert.deepEqual(metadataOf({}, asIs).ports, []);
});

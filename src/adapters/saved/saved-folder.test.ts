import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../base/abort.ts';
import type { DriveSpec } from '../../core/ports/vmm/spec.ts';
import { savedFiles } from './layout.ts';
import { parseSnapshotManifest, type SnapshotManifest } from './manifest-schema.ts';
import { describePart } from './parts.ts';
import { isStateWhole, readSavedFolder, writeSavedFolder } from './saved-folder.ts';

const signal = neverAborts();
const reading = {
  parse: parseSnapshotManifest,
  memoryBytesOf: ({ memoryBytes }: SnapshotManifest): number => memoryBytes,
};

async function filled(dir: string): Promise<ReturnType<typeof savedFiles>> {
  const files = savedFiles(join(dir, 'one'));
  await writeSavedFolder(files, {
    signal,
    work: async ({ dir: place, saved }) => {
      const drive: DriveSpec = {
        serial: 'work',
        pathOnHost: join(place, 'work.qcow2'),
        format: 'qcow2',
        isReadOnly: false,
        sizeBytes: 1024,
      };
      await writeFile(saved.memoryPath, 'memory');
      await writeFile(saved.statePath, 'state');
      await writeFile(drive.pathOnHost, 'work');
      return [drive];
    },
    describe: async (drives): Promise<SnapshotManifest> => ({
      format: 1,
      tag: 'one',
      facts: {
        shape: { vcpuCount: 1, memoryMib: 64, diskSizeBytes: 1024, systemOverlaySizeBytes: 0 },
        hasNat: false,
      },
      createdAt: new Date().toISOString(),
      memoryBytes: 6,
      state: await describePart(files.state, { signal }),
      drives,
    }),
  });
  return files;
}

test('a folder is read back as it was written', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'saved-folder-'));
  const files = await filled(dir);
  const when = new Date('2026-01-02T03:04:05Z');
  await utimes(files.manifest, when, when);
  const found = await readSavedFolder(files, reading);
  assert.ok(found);
  assert.deepEqual(found.parts.saved, { memoryPath: files.memory, statePath: files.state });
  assert.deepEqual(
    found.parts.drives.map(({ serial, pathOnHost }) => [serial, pathOnHost]),
    [['work', join(files.dir, 'work.qcow2')]],
  );
  assert.deepEqual(found.parts.touchedAt, when);
  assert.ok(await isStateWhole(files, found.manifest));
  await writeFile(files.state, 'stale');
  assert.ok(!(await isStateWhole(files, found.manifest)));
  await rm(dir, { recursive: true });
});

for (const [what, spoil] of [
  ['a file that is too short', (files) => truncate(files.memory, 3)],
  ['a missing file', (files) => rm(files.state)],
  ['a malformed manifest', (files) => writeFile(files.manifest, '{}')],
  ['no folder', (files) => rm(files.dir, { recursive: true })],
] as [string, (files: ReturnType<typeof savedFiles>) => Promise<void>][]) {
  test(`${what}: the folder is not a saved guest`, async () => {
    const dir = await mkdtemp(join(tmpdir(), 'saved-folder-'));
    const files = await filled(dir);
    await spoil(files);
    assert.equal(await readSavedFolder(files, reading), undefined);
    await rm(dir, { recursive: true });
  });
}

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAppError } from '../../base/errors.ts';
import { importSource, nameOfFile } from './import-source.ts';

test('a source says what it is, and folders show it', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'import-'));
  await mkdir(join(dir, 'tree'));
  await mkdir(join(dir, 'layout'));
  await writeFile(join(dir, 'layout', 'oci-layout'), '{}');
  const of = (text: string) => importSource(text, dir);
  assert.deepEqual(of('docker-archive:app.tar'), {
    format: 'docker-archive',
    path: join(dir, 'app.tar'),
    name: 'app',
  });
  assert.equal(of('rootfs:/srv/Tiny.tar.zst').path, '/srv/Tiny.tar.zst');
  assert.equal(of('tree').format, 'dir');
  assert.equal(of('./layout').format, 'oci');
  assert.equal(of('oci:layout').name, 'layout');
  for (const text of ['app.tar', 'zip:app.zip']) {
    assert.throws(
      () => of(text),
      (error) => isAppError(error, 'USAGE_OPTION_VALUE'),
      text,
    );
  }
  await rm(dir, { recursive: true });
});

test('an image is named after its file', () => {
  for (const [path, name] of [
    ['/a/App.tar', 'app'],
    ['/a/x.tar.gz', 'x'],
    ['/a/x.tgz', 'x'],
    ['/a/x-1.2.ext4', 'x-1.2'],
    ['/a/rootfs', 'rootfs'],
  ] as const) {
    assert.equal(nameOfFile(path), name);
  }
});

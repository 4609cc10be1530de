import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { appendFile, chmod, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { FsVmFiles } from './fs-vm-files.ts';

let dir: string;
let files: FsVmFiles;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'vm-files-'));
  files = new FsVmFiles({
    vmsDir: join(dir, 'vms'),
    vmBasesDir: join(dir, 'bases'),
    vmRuntimeDir: join(dir, 'run'),
    knownHostsFile: join(dir, 'ssh', 'known_hosts'),
    loginUsersFile: join(dir, 'ssh', 'users'),
  });
});

after(() => rm(dir, { recursive: true }));

test('the folders of a VM are private, are listed once, and are deleted with their content', async () => {
  assert.deepEqual(await files.list(), []);
  const folders = await files.create('a');
  assert.deepEqual(folders, files.folders('a'));
  await files.create('a');
  for (const path of [folders.dir, folders.runtimeDir, folders.baseDir])
    assert.equal((await stat(path)).mode & 0o777, 0o700);
  await writeFile(join(folders.dir, 'work.qcow2'), 'x');
  await writeFile(join(folders.baseDir, 'work.ext4'), 'x');
  await files.createRuntime('b');
  assert.deepEqual((await files.list()).sort(), ['a', 'b']);
  await files.remove('a');
  await files.remove('a');
  for (const path of [folders.dir, folders.runtimeDir, folders.baseDir])
    assert.equal(existsSync(path), false);
  await files.remove('b');
});

test('a runtime folder that is a link, or that other users may enter, is refused', async () => {
  const { runtimeDir } = await files.create('open');
  await chmod(runtimeDir, 0o755);
  await assert.rejects(files.createRuntime('open'), { code: 'DIR_NOT_PRIVATE' });
  await files.remove('open');
  await symlink(dir, runtimeDir);
  await assert.rejects(files.createRuntime('open'), { code: 'DIR_NOT_PRIVATE' });
  await files.remove('open');
  assert.ok(existsSync(dir));
});

test('the error for insufficient space names the free and the needed space', async () => {
  await files.create('space');
  await files.requireSpace(1);
  await assert.rejects(files.requireSpace(2 ** 60), { code: 'HOST_NO_SPACE', message: /are needed/ });
  await files.remove('space');
});

test('logTail() returns the last lines that are not empty, even of a long log', async () => {
  const { consoleLogPath, vmmLogPath } = await files.create('log');
  assert.deepEqual(await files.logTail('log', 'console', 3), []);
  await appendFile(consoleLogPath, `${'x'.repeat(100)}\r\n`.repeat(2_000));
  await appendFile(consoleLogPath, 'one\r\n\r\n  \ntwo\nthree');
  await writeFile(vmmLogPath, 'vmm\n');
  assert.deepEqual(await files.logTail('log', 'console', 3), ['one', 'two', 'three']);
  assert.deepEqual(await files.logTail('log', 'vmm', 3), ['vmm']);
});

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, test } from 'node:test';
import { connectUnix, fitsSocketPath, listenUnix } from './unix-socket.ts';

let dir: string;
let server: Server;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'unix-'));
  server = createServer((socket) => socket.end('hello'));
});

afterEach(() => {
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

function folderOf(length: number): string {
  const path = join(dir, 'x'.repeat(length));
  mkdirSync(path);
  return path;
}

for (const length of [1, 200]) {
  test(`a server can listen on a socket in a folder with a name of ${length} bytes, and a client can connect`, async () => {
    const path = join(folderOf(length), 's');
    assert.equal(fitsSocketPath(path), length === 1);
    using _folder = await listenUnix(server, path);
    assert.equal(await text(connectUnix(path)), 'hello');
    await new Promise((resolve) => server.close(resolve));
    assert.equal(existsSync(path), false);
  });

  test(`a missing or taken socket is an error with a name of ${length} bytes`, async () => {
    const folder = folderOf(length);
    await assert.rejects(text(connectUnix(join(folder, 'none'))), { code: 'ENOENT' });
    await assert.rejects(text(connectUnix(join(folder, 'no', 'folder'))), { code: 'ENOENT' });
    await assert.rejects(listenUnix(server, join(folder, 'no', 'folder')), { code: 'ENOENT' });
    writeFileSync(join(folder, 'taken'), '');
    await assert.rejects(listenUnix(server, join(folder, 'taken')), { code: 'EADDRINUSE' });
    await assert.rejects(text(connectUnix(join(folder, 'taken'))), { code: 'ECONNREFUSED' });
  });
}

test('a server that closes does not touch a folder that has replaced its own', async () => {
  const path = join(folderOf(1), 's');
  using _folder = await listenUnix(server, path);
  renameSync(join(dir, 'x'), join(dir, 'old'));
  writeFileSync(join(folderOf(1), 's'), 'of another');
  await new Promise((resolve) => server.close(resolve));
  assert.deepEqual(readdirSync(join(dir, 'x')), ['s']);
  assert.deepEqual(readdirSync(join(dir, 'old')), []);
});

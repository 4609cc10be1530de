import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, test } from 'node:test';
import { neverAborts } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { toolEnv } from '../../../base/process/programs.ts';
import { openContext } from './open-context.ts';

let dir: string;
const signal = neverAborts();
const env = toolEnv(process.env);

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'context-'));
  await put('Dockerfile', 'FROM scratch\n');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function put(path: string, content: string): Promise<void> {
  await mkdir(dirname(join(dir, path)), { recursive: true });
  await writeFile(join(dir, path), content);
}

/** What is in the archive, as tar lists it, without times. */
async function sent(limits?: { maxBytes: number; maxEntries: number }): Promise<string[]> {
  const places = { dockerfile: join(dir, 'Dockerfile'), context: dir };
  const context = await openContext(places, { env, signal, ...(limits ? { limits } : {}) });
  const input = await buffer(context.tar({ signal }));
  const listed = execFileSync('tar', ['-tv', '--numeric-owner', '--full-time', '-f', '-'], { input });
  const lines = listed.toString().split('\n').filter(Boolean);
  assert.equal(lines.length, context.entryCount);
  return lines.map((line) => line.replace(/^(\S+) (\S+) .*? \S+ \S+ +\.\//, '$1 $2 '));
}

test('everything is sent that is not ignored: modes and symlinks stay, owners do not', async () => {
  await put('.dockerignore', 'node_modules\n*.log\n!kept.log\nsecret*\n');
  await put('src/main.c', 'int main;');
  await put('run', '#!/bin/sh');
  await chmod(join(dir, 'run'), 0o755);
  await symlink('/etc/passwd', join(dir, 'outside'));
  await symlink('nowhere', join(dir, 'dangling'));
  await put('node_modules/a/index.js', 'x');
  await put('debug.log', 'x');
  await put('kept.log', 'x');
  await put('secret.txt', 'x');
  execFileSync('mkfifo', [join(dir, 'pipe')]);
  assert.deepEqual(await sent(), [
    '-rw-r--r-- 0/0 .dockerignore',
    '-rw-r--r-- 0/0 Dockerfile',
    'lrwxrwxrwx 0/0 dangling -> nowhere',
    '-rw-r--r-- 0/0 kept.log',
    'lrwxrwxrwx 0/0 outside -> /etc/passwd',
    '-rwxr-xr-x 0/0 run',
    'drwxr-xr-x 0/0 src/',
    '-rw-r--r-- 0/0 src/main.c',
  ]);
});

test('an ignored folder is sent only for what is excepted in it', async () => {
  await put('.dockerignore', '*\n!deep/down/this\n');
  await put('deep/down/this', 'x');
  await put('deep/down/not', 'x');
  await put('deep/other', 'x');
  assert.deepEqual(await sent(), [
    'drwxr-xr-x 0/0 deep/',
    'drwxr-xr-x 0/0 deep/down/',
    '-rw-r--r-- 0/0 deep/down/this',
  ]);
});

test("the Dockerfile's own ignore file takes the place of the context's", async () => {
  await put('.dockerignore', '*');
  await put('Dockerfile.dockerignore', '.dockerignore\nDockerfile*\n');
  await put('file', 'x');
  assert.deepEqual(await sent(), ['-rw-r--r-- 0/0 file']);
});

test('long names, and names that are no text or look like options, are sent', async () => {
  const long = `${'d'.repeat(120)}/${'f'.repeat(200)}`;
  await put('.dockerignore', 'Dockerfile\n.dockerignore\n');
  await put(long, 'x');
  await put('--checkpoint=1', 'x');
  await put('line\nbreak', 'x');
  await writeFile(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0x61, 0xff])]), 'x');
  const names = await sent();
  assert.equal(names.length, 5);
  assert.ok(names.some((name) => name.endsWith(long)));
  assert.ok(names.some((name) => name.endsWith('--checkpoint=1')));
});

test('a context that is too large is refused before it is sent, and while a file grows', async () => {
  const tooLarge = (error: unknown) => isAppError(error, 'IMAGE_CONTEXT_TOO_LARGE');
  for (let at = 0; at < 10; at += 1) await put(`file${at}`, 'x'.repeat(1000));
  await assert.rejects(sent({ maxBytes: 5_000, maxEntries: 100 }), tooLarge);
  await assert.rejects(sent({ maxBytes: 50_000, maxEntries: 5 }), tooLarge);
  const limits = { maxBytes: 11_000, maxEntries: 100 };
  const places = { dockerfile: join(dir, 'Dockerfile'), context: dir };
  const context = await openContext(places, { env, signal, limits });
  await put('file3', 'x'.repeat(500_000));
  await assert.rejects(buffer(context.tar({ signal })), tooLarge);
});

test('what cannot be read is named', async () => {
  const invalid = (error: unknown) => isAppError(error, 'IMAGE_CONTEXT_INVALID');
  const open = (dockerfile: string, context: string) => openContext({ dockerfile, context }, { env, signal });
  await assert.rejects(open(join(dir, 'none'), dir), invalid);
  await assert.rejects(open(join(dir, 'Dockerfile'), join(dir, 'none')), invalid);
  await assert.rejects(open(join(dir, 'Dockerfile'), join(dir, 'Dockerfile')), invalid);
  await assert.rejects(open(dir, dir), invalid);
  await put('Dockerfile', `FROM scratch\n${'#'.repeat(2 ** 20)}`);
  await assert.rejects(open(join(dir, 'Dockerfile'), dir), invalid);
});

test('a file that is gone when its turn comes fails the archive', async () => {
  await put('file', 'x');
  const context = await openContext({ dockerfile: join(dir, 'Dockerfile'), context: dir }, { env, signal });
  assert.equal(context.dockerfile, await readFile(join(dir, 'Dockerfile'), 'utf8'));
  await rm(join(dir, 'file'));
  await assert.rejects(buffer(context.tar({ signal })), { code: 'EXEC_FAILED' });
});

test('the digest of a context depends on its content, not on times', async () => {
  const digest = async (): Promise<string> => {
    const places = { dockerfile: join(dir, 'Dockerfile'), context: dir };
    return await (await openContext(places, { env, signal })).digest({ signal });
  };
  await put('src/main.c', 'int main;');
  await put(`src/${'long-name-'.repeat(20)}`, 'x');
  const first = await digest();
  assert.match(first, /^sha256:[0-9a-f]{64}$/);
  await utimes(join(dir, 'src/main.c'), 5, 5);
  assert.equal(await digest(), first);
  for (const change of [
    () => put('src/main.c', 'int main_;'),
    () => chmod(join(dir, 'src/main.c'), 0o755),
    () => put('src/other.c', ''),
  ]) {
    const before = await digest();
    await change();
    assert.notEqual(await digest(), before);
  }
  await put('.dockerignore', 'ignored\n');
  const ignoring = await digest();
  await put('ignored', 'x');
  assert.equal(await digest(), ignoring);
});

import assert from 'node:assert/strict';
import {
  appendFile,
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { neverAborts } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { exec } from '../../../base/process/exec.ts';
import type { TarEntry } from '../../../base/tar/header.ts';
import { writeContent } from '../../../base/tar/write-content.ts';
import { TAR_END, tarHeader, tarPadding } from '../../../base/tar/write-tar.ts';
import { DEFAULT_LIMITS } from './copy-limits.ts';
import { packHost } from './pack-host.ts';
import { receiveFile } from './receive-file.ts';
import { safeParts } from './safe-parts.ts';
import { unpackHost } from './unpack-host.ts';

const signal = neverAborts();
const made: string[] = [];

async function scratch(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cp-'));
  made.push(dir);
  return dir;
}

after(async () => {
  for (const dir of made) {
    // Archives may contain folders that their owner may not enter.
    await exec(['chmod', '-R', 'u+rwX', dir], { signal });
    await rm(dir, { recursive: true, force: true });
  }
});

type Given = Partial<Omit<TarEntry, 'name' | 'linkName'>> & {
  name: string;
  linkName?: string;
  content?: string;
};

async function* archiveOf(...given: readonly Given[]): AsyncGenerator<Buffer> {
  for (const { name, linkName = '', content = '', ...rest } of given) {
    const sizeBytes = Buffer.byteLength(content);
    const names = { name: Buffer.from(name, 'latin1'), linkName: Buffer.from(linkName, 'latin1') };
    yield tarHeader({ kind: 'file', mode: 0o644, mtimeMs: 1e12, sizeBytes, ...rest, ...names });
    yield Buffer.concat([Buffer.from(content), tarPadding(sizeBytes)]);
  }
  yield TAR_END;
}

/** Everything below a folder: kind, mode, time, content. */
async function tell(dir: string | Buffer, prefix = ''): Promise<string[]> {
  const names = await readdir(Buffer.from(dir), { encoding: 'buffer' });
  const found = await Promise.all(
    names.map(async (base) => {
      const path = Buffer.concat([Buffer.from(dir), Buffer.from('/'), base]);
      const name = `${prefix}${base.toString('latin1')}`;
      const stats = await lstat(path);
      if (stats.isSymbolicLink()) return [`${name} -> ${await readlink(path)}`];
      const own = `${name} ${(stats.mode & 0o7777).toString(8)} ${stats.mtimeMs}`;
      if (stats.isDirectory()) return [own, ...(await tell(path, `${name}/`))];
      return [`${own} ${await readFile(path, 'latin1')}`];
    }),
  );
  return found.flat().sort();
}

const OPTIONS = { isNew: false, limits: DEFAULT_LIMITS, takesAll: false, signal };

const unpack = (dir: string, ...given: readonly Given[]) =>
  unpackHost(archiveOf(...given), { ...OPTIONS, dir, umask: 0o022 });

test('a tree with names of any bytes is the same after packing and unpacking', async () => {
  const [from, to] = [await scratch(), await scratch()];
  await mkdir(join(from, 'd', 'e'), { recursive: true });
  await writeFile(join(from, 'd', 'e', 'deep'), 'x'.repeat(7000));
  await writeFile(Buffer.concat([Buffer.from(`${from}/caf`), Buffer.from([0xe9, 0x0a, 0xff])]), 'bytes');
  await writeFile(join(from, `${'long'.repeat(50)}`), '');
  await writeFile(join(from, 'tool'), '#!/bin/sh\n', { mode: 0o755 });
  await symlink('../outside', join(from, 'link'));
  await exec(['find', from, '-exec', 'touch', '-h', '-d', '@1000000000.25', '{}', '+'], { signal });
  await chmod(join(from, 'd', 'e'), 0o555);
  await exec(['mkfifo', join(from, 'pipe')], { signal });
  const count = { skipped: 0 };
  const packed = packHost({ kind: 'directory', path: from }, { signal, count });
  const unpacked = await unpackHost(packed, { ...OPTIONS, dir: to, umask: 0 });
  assert.deepEqual([unpacked.entries, unpacked.bytes, unpacked.skipped, count.skipped], [9, 7_015, 1, 0]);
  await rm(join(from, 'pipe'));
  assert.deepEqual(await tell(to), await tell(from));
  for (const dir of [from, to]) await chmod(join(dir, 'd', 'e'), 0o755);
});

test('modes lose setuid, setgid and the bits of the umask; read-only folders get their mode last', async () => {
  const dir = await scratch();
  await unpack(
    dir,
    { name: 'd/', kind: 'directory', mode: 0o555 },
    { name: 'd/tool', mode: 0o6777, content: 'x' },
    { name: 'deep/in/it', content: 'y' },
  );
  const modes = await Promise.all(
    ['d', 'd/tool', 'deep'].map(async (name) => (await lstat(join(dir, name))).mode & 0o7777),
  );
  assert.deepEqual(modes, [0o555, 0o755, 0o700]);
  await chmod(join(dir, 'd'), 0o755);
});

test('files and links are replaced, directories stay', async () => {
  const dir = await scratch();
  await writeFile(join(dir, 'outside'), 'safe');
  await mkdir(join(dir, 'in'));
  const into = join(dir, 'in');
  await symlink('../outside', join(into, 'a'));
  await writeFile(join(into, 'b'), 'old');
  await mkdir(join(into, 'c'));
  await unpack(
    into,
    { name: 'a', content: 'new' },
    { name: 'b', kind: 'symlink', linkName: 'x' },
    { name: 'a', kind: 'directory' },
    { name: 'a/f' },
  );
  assert.equal(await readFile(join(dir, 'outside'), 'utf8'), 'safe');
  assert.equal(await readlink(join(into, 'b')), 'x');
  await assert.rejects(unpack(into, { name: 'c', content: 'x' }), {
    code: 'COPY_REFUSED',
    message: /is a directory and stays one/,
  });
});

const HOSTILE: readonly [string, readonly Given[]][] = [
  ['a name that begins with ..', [{ name: '../outside', content: 'bad' }]],
  ['a name with .. in the middle', [{ name: 'a/../../outside', content: 'bad' }]],
  ['an absolute name', [{ name: '/outside', content: 'bad' }]],
  [
    'a file behind a symlink of its own',
    [
      { name: 'l', kind: 'symlink', linkName: '..' },
      { name: 'l/outside', content: 'bad' },
    ],
  ],
  [
    'a folder behind a symlink of its own',
    [
      { name: 'l', kind: 'symlink', linkName: '..' },
      { name: 'l/d/', kind: 'directory' },
    ],
  ],
  ['a file behind a symlink of the user', [{ name: 'mine/outside', content: 'bad' }]],
  ['a symlink behind a symlink', [{ name: 'mine/s', kind: 'symlink', linkName: 'x' }]],
  ['a hard link to a file outside', [{ name: 'h', kind: 'hard-link', linkName: '../outside' }]],
  ['a hard link through a symlink', [{ name: 'h', kind: 'hard-link', linkName: 'mine/outside' }]],
  [
    'a hard link to a symlink',
    [
      { name: 's', kind: 'symlink', linkName: '../outside' },
      { name: 'h', kind: 'hard-link', linkName: 's' },
      { name: 'h', content: 'bad' },
    ],
  ],
  [
    'a hard link to itself',
    [
      { name: 'h', content: 'x' },
      { name: 'h', kind: 'hard-link', linkName: './h' },
    ],
  ],
  ['a top that is not a directory', [{ name: '.', kind: 'symlink', linkName: '..' }]],
];
for (const [what, given] of HOSTILE) {
  test(`${what} is refused, and nothing outside is changed`, async () => {
    const dir = await scratch();
    await writeFile(join(dir, 'outside'), 'safe');
    const into = join(dir, 'in');
    await mkdir(into);
    await symlink('..', join(into, 'mine'));
    await assert.rejects(unpack(into, ...given), { code: 'COPY_REFUSED' });
    assert.deepEqual((await readdir(dir)).sort(), ['in', 'outside']);
    assert.equal(await readFile(join(dir, 'outside'), 'utf8'), 'safe');
  });
}

test('no archive can write outside its directory', async () => {
  const dir = await scratch();
  await writeFile(join(dir, 'outside'), 'safe');
  await mkdir(join(dir, 'beside'));
  const part = fc.constantFrom('a', 'b', '..', '.', '', 'outside', 'beside');
  const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const target = fc.oneof(
    name,
    fc.constant(dir),
    name.map((text) => `../${text}`),
  );
  const kind = fc.constantFrom('file', 'directory', 'symlink', 'hard-link', 'fifo');
  const entry = fc.record({ name, linkName: target, kind, content: fc.constantFrom('', 'bad') });
  const before = await tell(dir);
  let index = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 6 }), async (given) => {
      const into = join(dir, `in-${index++}`);
      await mkdir(into);
      const entries = given
        .filter((one) => one.name !== '')
        .map(
          (one): Given => ({
            ...one,
            kind: one.kind as 'file',
            mode: one.kind === 'directory' ? 0o755 : 0o644,
            content: one.kind === 'file' ? one.content : '',
          }),
        );
      try {
        await unpack(into, ...entries);
      } catch (error) {
        assert.ok(isAppError(error, 'COPY_REFUSED', 'COPY_FAILED', 'TAR_DAMAGED'), String(error));
      }
      await rm(into, { recursive: true });
      assert.deepEqual(await tell(dir), before);
    }),
    { numRuns: 300 },
  );
});

test('the parts of an accepted name are plain names', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const name = Buffer.from(bytes.map((byte) => [0x2e, 0x2f, 0x61, 0x00][byte % 4] ?? byte));
      try {
        for (const part of safeParts(name))
          assert.doesNotMatch(part.toString('latin1'), /^(|\.|\.\.)$|[/\0]/);
      } catch (error) {
        assert.ok(isAppError(error, 'COPY_REFUSED'));
      }
    }),
  );
});

test('a truncated archive leaves every file either complete or unchanged, and nothing beside it', async () => {
  const dir = await scratch();
  await writeFile(join(dir, 'old'), 'old and whole');
  await symlink('somewhere', join(dir, 'link'));
  for (const name of ['old', 'link', 'new']) {
    const whole = Buffer.concat(await Array.fromAsync(archiveOf({ name, content: 'x'.repeat(5000) })));
    const cut = (async function* () {
      yield whole.subarray(0, 3000);
    })();
    await assert.rejects(unpackHost(cut, { ...OPTIONS, dir, umask: 0 }), { code: 'TAR_DAMAGED' });
  }
  assert.deepEqual((await readdir(dir)).sort(), ['link', 'old']);
  assert.equal(await readFile(join(dir, 'old'), 'utf8'), 'old and whole');
  assert.equal(await readlink(join(dir, 'link')), 'somewhere');
  await unpack(
    dir,
    { name: 'old', content: 'new' },
    { name: 'two', kind: 'hard-link', linkName: 'old' },
    { name: 'two', kind: 'hard-link', linkName: 'old' },
    { name: 'link', kind: 'symlink', linkName: 'elsewhere' },
  );
  assert.deepEqual((await readdir(dir)).sort(), ['link', 'old', 'two']);
  assert.equal(await readFile(join(dir, 'two'), 'utf8'), 'new');
  assert.equal(await readlink(join(dir, 'link')), 'elsewhere');
});

test('sparse files stay sparse when they are packed and unpacked, and no other file becomes sparse', async () => {
  const [from, to] = [await scratch(), await scratch()];
  const size = 8 * 2 ** 20 + 777;
  await writeFile(join(from, 'sparse'), 'begin');
  await truncate(join(from, 'sparse'), size - 3);
  await appendFile(join(from, 'sparse'), 'end');
  await writeFile(join(from, 'hole'), '');
  await truncate(join(from, 'hole'), 3 * 2 ** 20);
  await writeFile(join(from, 'zeros'), Buffer.alloc(2 ** 20));
  const archive = packHost({ kind: 'directory', path: from }, { signal, count: { skipped: 0 } });
  await unpackHost(archive, { ...OPTIONS, dir: to, umask: 0o077 });
  for (const [name, least, most] of [
    ['sparse', 1, 128 * 1024],
    ['hole', 0, 0],
    ['zeros', 2 ** 20, 2 ** 21],
  ] as const) {
    const { blocks } = await lstat(join(to, name));
    assert.ok(blocks * 512 >= least && blocks * 512 <= most, `${name} takes ${blocks} blocks`);
    assert.ok((await readFile(join(to, name))).equals(await readFile(join(from, name))), name);
  }
  const one = packHost(
    { kind: 'file', path: join(from, 'sparse'), name: 's' },
    { signal, count: { skipped: 0 } },
  );
  await receiveFile(one, { path: join(to, 'one'), umask: 0o077, limits: DEFAULT_LIMITS, signal });
  assert.ok((await lstat(join(to, 'one'))).blocks * 512 <= 128 * 1024);
});

test('content with zeros anywhere, in chunks of any size, is written correctly', async () => {
  const dir = await scratch();
  const piece = fc.record({ byte: fc.constantFrom(0, 0, 1), length: fc.integer({ min: 0, max: 9000 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 8 }),
      fc.integer({ min: 1, max: 9000 }),
      async (pieces, length) => {
        const whole = Buffer.concat(pieces.map((one) => Buffer.alloc(one.length, one.byte)));
        await using file = await open(join(dir, 'file'), 'w+');
        const chunks = (async function* () {
          for (let at = 0; at < whole.length; at += length) yield whole.subarray(at, at + length);
        })();
        assert.equal(await writeContent(file, chunks, { isSparse: true, signal }), whole.length);
        assert.ok((await readFile(join(dir, 'file'))).equals(whole));
      },
    ),
    { numRuns: 60 },
  );
});

test('a copy beyond a limit fails, and the error names the option that raises it', async () => {
  const limits = { maxBytes: 10, maxEntries: 4 };
  const many = Array.from({ length: 5 }, (_, at) => ({ name: `f${at}` }));
  for (const [given, field] of [
    [[{ name: 'a', content: 'x'.repeat(11) }], '--max-size'],
    [
      [
        { name: 'a', content: 'x'.repeat(9) },
        { name: 'b', content: 'xx' },
      ],
      '--max-size',
    ],
    [many, '--max-entries'],
    // Missing parents that are created count, too.
    [[{ name: 'a/b/c/d/e' }], '--max-entries'],
  ] as const) {
    const dir = await scratch();
    await assert.rejects(unpackHost(archiveOf(...given), { ...OPTIONS, dir, umask: 0, limits }), {
      code: 'COPY_TOO_LARGE',
      details: { field },
    });
    for (const name of await readdir(dir))
      assert.ok((await lstat(join(dir, name))).size <= 9 || name === 'a');
  }
  const dir = await scratch();
  const file = archiveOf({ name: 'a', content: 'x'.repeat(11) });
  await assert.rejects(receiveFile(file, { path: join(dir, 'a'), umask: 0, limits, signal }), {
    code: 'COPY_TOO_LARGE',
  });
  assert.deepEqual(await readdir(dir), []);
});

test('a single file is complete or unchanged, and a link of the user is followed', async () => {
  const dir = await scratch();
  const path = join(dir, 'file');
  const receive = (tar: AsyncIterable<Buffer>, to = path) =>
    receiveFile(tar, { path: to, umask: 0o077, limits: DEFAULT_LIMITS, signal });
  assert.equal(await receive(archiveOf({ name: 'other', content: 'one', mode: 0o755 })), 3);
  assert.deepEqual([await readFile(path, 'utf8'), (await lstat(path)).mode & 0o777], ['one', 0o700]);
  await symlink('file', join(dir, 'link'));
  await receive(archiveOf({ name: 'other', content: 'two' }), join(dir, 'link'));
  assert.equal(await readFile(path, 'utf8'), 'two');
  for (const bad of [
    archiveOf(),
    archiveOf({ name: 'd', kind: 'directory' }),
    archiveOf({ name: 'a', content: 'x' }, { name: 'b', content: 'y' }),
  ]) {
    await assert.rejects(receive(bad), { code: 'COPY_REFUSED' });
  }
  const cut = (async function* () {
    yield (await Array.fromAsync(archiveOf({ name: 'a', content: 'x'.repeat(2000) })))[0] as Buffer;
  })();
  await assert.rejects(receive(cut), { code: 'TAR_DAMAGED' });
  await assert.rejects(receive(archiveOf({ name: 'a' }), join(dir, 'no', 'where')), { code: 'COPY_FAILED' });
  assert.equal(await readFile(path, 'utf8'), 'two');
  assert.deepEqual((await readdir(dir)).sort(), ['file', 'link']);
});

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { neverAborts } from '../abort.ts';
import { isAppError } from '../errors.ts';
import { exec } from '../process/exec.ts';
import { checksumOf, FIELD, type TarEntry } from './header.ts';
import { readTar } from './read-tar.ts';
import { TAR_END, tarHeader, tarPadding } from './write-tar.ts';

const signal = neverAborts();

interface Item {
  entry: TarEntry;
  content: Buffer;
}

function archiveOf(items: readonly Item[]): Buffer {
  const parts = items.flatMap(({ entry, content }) => [
    tarHeader(entry),
    content,
    tarPadding(content.length),
  ]);
  return Buffer.concat([...parts, TAR_END]);
}

async function itemsOf(archive: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const { entry, content } of readTar(fromAny(archive))) {
    items.push({ entry, content: Buffer.concat(await Array.fromAsync(content)) });
  }
  return items;
}

async function* fromAny(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
  yield* chunks;
}

/** A split at every so many bytes. */
function* cut(bytes: Buffer, length: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

const name = fc
  .uint8Array({ minLength: 1, maxLength: 300 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))));
const common = {
  name,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  mtimeMs: fc.integer({ min: 0, max: 4e12 }),
};
const item: fc.Arbitrary<Item> = fc.oneof(
  fc.record({ ...common, content: fc.uint8Array({ maxLength: 2000 }) }).map(({ content, ...rest }) => ({
    entry: {
      ...rest,
      ...(content.length % 2 ? { isSparse: true } : {}),
      kind: 'file' as const,
      linkName: Buffer.alloc(0),
      sizeBytes: content.length,
    },
    content: Buffer.from(content),
  })),
  fc
    .record({ ...common, linkName: name, kind: fc.constantFrom('symlink' as const, 'hard-link' as const) })
    .map((entry) => ({ entry: { ...entry, sizeBytes: 0 }, content: Buffer.alloc(0) })),
  fc.record({ ...common, kind: fc.constantFrom('directory' as const, 'fifo' as const) }).map((entry) => ({
    entry: { ...entry, linkName: Buffer.alloc(0), sizeBytes: 0 },
    content: Buffer.alloc(0),
  })),
);

test('everything that is written is read back, however the stream is split', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(item, { maxLength: 6 }),
      fc.integer({ min: 1, max: 3000 }),
      async (items, length) => {
        assert.deepEqual(await itemsOf(cut(archiveOf(items), length)), items);
      },
    ),
  );
});

test('what the caller does not read is skipped', async () => {
  const items = ['a', 'b', 'c'].map((text) => fileOf(text, Buffer.alloc(1500, text)));
  const names: string[] = [];
  for await (const { entry, content } of readTar(fromAny(cut(archiveOf(items), 700)))) {
    names.push(entry.name.toString());
    if (entry.name.toString() === 'b') for await (const _ of content) break;
  }
  assert.deepEqual(names, ['a', 'b', 'c']);
});

test('GNU tar reads our archives, and its archives in every format are read', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'tar-'));
  const long = `${'d'.repeat(90)}-${'e'.repeat(90)}`;
  const items = [
    fileOf('plain', Buffer.from('one')),
    { ...fileOf(long, Buffer.from('two')) },
    {
      entry: {
        ...fileOf('link', Buffer.alloc(0)).entry,
        kind: 'symlink' as const,
        linkName: Buffer.from(long),
      },
      content: Buffer.alloc(0),
    },
  ];
  const { stdout } = await exec(['tar', 'tvf', '-', '--full-time', '--utc'], {
    signal,
    input: archiveOf(items),
  });
  assert.match(
    stdout.toString(),
    new RegExp(
      `^-rw-r-----.* 3 2026-01-01 00:00:00.25 plain\n-rw-r-----.* ${long}\nlrw-r-----.* link -> ${long}\n$`,
    ),
  );

  await writeFile(join(dir, long), 'content');
  await utimes(join(dir, long), 1_000_000_000, 1_000_000_000);
  await symlink('x'.repeat(150), join(dir, 'link'));
  for (const format of ['gnu', 'pax', 'ustar', 'v7']) {
    const names = format === 'v7' || format === 'ustar' ? [] : [long, 'link'];
    await writeFile(join(dir, 'short'), format);
    const made = await exec(['tar', 'c', `--format=${format}`, '-C', dir, 'short', ...names], { signal });
    const read = await itemsOf([made.stdout]);
    assert.deepEqual(
      read.map(({ entry }) => entry.name.toString()),
      ['short', ...names],
      format,
    );
    assert.equal(read[0]?.content.toString(), format);
    if (names.length === 0) continue;
    assert.equal(read[1]?.entry.mtimeMs, 1e12);
    assert.equal(read[2]?.entry.linkName.length, 150);
  }
  assert.equal((await readFile(join(dir, 'short'))).toString(), 'v7');
  await rm(dir, { recursive: true });
});

test('an archive with any change is either read or refused', async () => {
  const whole = archiveOf([
    fileOf('a'.repeat(120), Buffer.alloc(700, 'x')),
    {
      entry: {
        ...fileOf('l', Buffer.alloc(0)).entry,
        kind: 'symlink',
        linkName: Buffer.from('t'.repeat(130)),
      },
      content: Buffer.alloc(0),
    },
    fileOf('b', Buffer.from('y')),
  ]);
  const change = fc.record({ at: fc.nat(whole.length - 1), to: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      async (changes, isMended) => {
        const damaged = Buffer.from(whole);
        for (const { at, to } of changes) damaged[at] = to;
        // With the right checksum, so that the fields after it are checked.
        if (isMended)
          for (let at = 0; at + 512 <= damaged.length; at += 512) mendSum(damaged.subarray(at, at + 512));
        await itemsOf([damaged]).catch((error: unknown) =>
          assert.ok(isAppError(error, 'TAR_DAMAGED'), String(error)),
        );
      },
    ),
    { numRuns: 500 },
  );
});

test('an archive that is truncated anywhere is refused', async () => {
  const whole = archiveOf([fileOf('a', Buffer.alloc(700, 'x')), fileOf('b'.repeat(150), Buffer.from('y'))]);
  for (let length = 0; length < whole.length; length += 64) {
    await assert.rejects(itemsOf([whole.subarray(0, length)]), { code: 'TAR_DAMAGED' }, String(length));
  }
});

for (const [what, header] of [
  ['a device', withField(tarHeader(fileOf('a', Buffer.alloc(0)).entry), 'type', '3')],
  ['an unknown type', withField(tarHeader(fileOf('a', Buffer.alloc(0)).entry), 'type', 'S')],
  ['a link with content', withField(tarHeader(fileOf('a', Buffer.alloc(9)).entry), 'type', '1')],
  ['no name', withField(tarHeader(fileOf('a', Buffer.alloc(0)).entry), 'name', '\0')],
  ['a size that is not a number', withField(tarHeader(fileOf('a', Buffer.alloc(0)).entry), 'size', 'zzz')],
  [
    'a size beyond exact numbers',
    withField(
      tarHeader(fileOf('a', Buffer.alloc(0)).entry),
      'size',
      '\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff',
    ),
  ],
] as const) {
  test(`an archive with ${what} is refused`, async () => {
    await assert.rejects(itemsOf([header, Buffer.alloc(512), TAR_END]), { code: 'TAR_DAMAGED' });
  });
}

for (const [what, records] of [
  ['a sparse file', '22 GNU.sparse.major=1\n'],
  ['an extended header with a wrong length', '99 path=a\n'],
  ['an empty extended header', '0 \n'],
  ['a size with a sign', '10 size=-1\n'],
] as const) {
  test(`an archive with ${what} is refused`, async () => {
    const pax = Buffer.from(records);
    const head = withField(tarHeader(fileOf('x', pax).entry).subarray(-512), 'type', 'x');
    const archive = [
      head,
      pax,
      tarPadding(pax.length),
      tarHeader(fileOf('a', Buffer.alloc(0)).entry),
      TAR_END,
    ];
    await assert.rejects(itemsOf(archive), { code: 'TAR_DAMAGED' });
  });
}

function fileOf(text: string, content: Buffer): Item {
  return {
    entry: {
      kind: 'file',
      name: Buffer.from(text),
      linkName: Buffer.alloc(0),
      mode: 0o640,
      sizeBytes: content.length,
      mtimeMs: Date.UTC(2026, 0, 1) + 250,
    },
    content,
  };
}

/**
 * A header, which is the last block written for an entry, with another value in one field and a matching
 * checksum.
 */
function withField(written: Buffer, field: keyof typeof FIELD, value: string): Buffer {
  const header = Buffer.from(written.subarray(-512));
  const [at, length] = FIELD[field];
  header.fill(0, at, at + length);
  header.write(value, at, length, 'latin1');
  mendSum(header);
  return header;
}

function mendSum(header: Buffer): void {
  const [at] = FIELD.checksum;
  header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, at, 'latin1');
}

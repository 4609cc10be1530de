import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { below, type PackageEntry, plainFile, programFile } from '../../../scripts/release/entries.ts';
import { contentsOf } from '../../../scripts/release/release-tree.ts';
import { tarArchive, zstd } from '../../../scripts/release/tar-archive.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import { isAppError } from '../../../src/base/errors.ts';
import type { TarKind } from '../../../src/base/tar/header.ts';
import { TAR_END, tarHeader } from '../../../src/base/tar/write-tar.ts';
import { unpackRelease } from '../../../src/cli/update/unpack.ts';
import { archiveOf, fakeRelease } from '../../support/update/fake-release.ts';

const VERSION = 'v0.2.0';
const TOP = `banger-${VERSION}-linux-amd64`;

describe('unpackRelease()', () => {
  let folder: string;
  let entries: PackageEntry[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'unpack-'));
    entries = fakeRelease(VERSION, { stateDir: '/nowhere' });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const unpack = (archive: Buffer): Promise<void> =>
    unpackRelease(pieces(archive), { folder, top: TOP, signal: neverAborts() });

  async function refuses(archive: Buffer, message: RegExp): Promise<void> {
    rmSync(folder, { recursive: true });
    folder = mkdtempSync(join(tmpdir(), 'unpack-'));
    await assert.rejects(unpack(archive), (error) => {
      assert.ok(isAppError(error, 'UPDATE_ARCHIVE_INVALID'), String(error));
      assert.match(error.message, message);
      return true;
    });
  }

  test('unpacks the files of a release with their modes', async () => {
    await unpack(await archiveOf(VERSION, entries));
    assert.equal(statSync(join(folder, 'bin/banger')).mode & 0o7777, 0o755);
    assert.equal(statSync(join(folder, 'dist/banger.cjs')).mode & 0o7777, 0o644);
    assert.equal(JSON.parse(readFileSync(join(folder, 'release.json'), 'utf8')).version, VERSION);
  });

  test('refuses files that the list of contents does not name, and lacks none', async () => {
    const extra = [plainFile('dist/extra.cjs', 'x')];
    await refuses(
      await archiveOf(VERSION, entries, { extra }),
      /it has "dist\/extra\.cjs", which is not listed/,
    );
    const listed = contentsOf(entries);
    const less = entries.filter(({ path }) => path !== 'dist/bangerd.cjs');
    await refuses(await packed([...less, plainFile('contents.json', listed)]), /lacks "dist\/bangerd\.cjs"/);
    await refuses(await packed(entries), /has no contents\.json/);
    await refuses(
      await packed([...less, plainFile('contents.json', contentsOf(less))]),
      /lacks "dist\/bangerd\.cjs"/,
    );
  });

  test('refuses a file with another content or mode than listed', async () => {
    const listed = plainFile('contents.json', contentsOf(entries));
    const other = entries.map((entry) =>
      entry.path === 'dist/bangerd.cjs' ? plainFile(entry.path, 'x') : entry,
    );
    await refuses(await packed([...other, listed]), /"dist\/bangerd\.cjs" has another content than listed/);
    const runs = entries.map((entry) =>
      entry.path === 'dist/bangerd.cjs' ? programFile(entry.path, '') : entry,
    );
    await refuses(await packed([...runs, listed]), /"dist\/bangerd\.cjs" has another mode than listed/);
  });

  for (const [what, entry, message] of [
    [
      'a symlink',
      { name: `${TOP}/bin/x`, kind: 'symlink', linkName: '/etc/passwd' },
      /neither a file nor a folder/,
    ],
    [
      'a hard link',
      { name: `${TOP}/bin/x`, kind: 'hard-link', linkName: 'bin/banger' },
      /neither a file nor a folder/,
    ],
    ['a fifo', { name: `${TOP}/bin/x`, kind: 'fifo' }, /neither a file nor a folder/],
    ['a path that leads outside', { name: `${TOP}/../x`, kind: 'file' }, /it has the path/],
    ['a dot in a path', { name: `${TOP}/./x`, kind: 'file' }, /it has the path/],
    ['an absolute path', { name: '/etc/x', kind: 'file' }, /outside of/],
    ['another top folder', { name: 'other/x', kind: 'file' }, /outside of/],
    ['a top folder that only begins like it', { name: `${TOP}x/x`, kind: 'file' }, /outside of/],
    ['a line break in a path', { name: `${TOP}/a\nb`, kind: 'file' }, /it has the path/],
    [
      'a set-user-id program',
      { name: `${TOP}/bin/x`, kind: 'file', mode: 0o4755 },
      /another mode than 644 and 755/,
    ],
    [
      'a file that all may write',
      { name: `${TOP}/bin/x`, kind: 'file', mode: 0o666 },
      /another mode than 644 and 755/,
    ],
    [
      'a folder that all may write',
      { name: `${TOP}/bin/`, kind: 'directory', mode: 0o777 },
      /another mode than 755/,
    ],
    ['the top folder as a file', { name: TOP, kind: 'file' }, /twice/],
  ] as const) {
    test(`refuses ${what}`, async () => {
      await refuses(await raw([entry]), message);
    });
  }

  test('refuses the same file twice', async () => {
    const file = { name: `${TOP}/bin/x`, kind: 'file' } as const;
    await refuses(await raw([file, file]), /"bin\/x" twice/);
  });

  test('refuses an archive that is cut anywhere, or no archive', async () => {
    const archive = await archiveOf(VERSION, entries);
    for (const at of [0, 1, 10, archive.length >> 1, archive.length - 1]) {
      await refuses(archive.subarray(0, at), /Cannot unpack the release/);
    }
    await refuses(Buffer.from('no archive'), /Cannot unpack the release/);
  });

  test('refuses a small archive that unpacks to more than any release has', async () => {
    const bomb = await zstd(Buffer.alloc(2 ** 22), { level: 1 });
    assert.ok(bomb.length < 2_000);
    const options = { folder, top: TOP, signal: neverAborts(), maxBytes: 2 ** 20 };
    await assert.rejects(unpackRelease(pieces(bomb), options), /it unpacks to more than any release has/);
  });

  test('never writes outside of its folder, whatever the names of entries', async () => {
    const part = fc.constantFrom('..', '.', '', 'a', 'b', '/', 'etc', TOP, '\0', '\\', ' ');
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 6 }), async (parts) => {
        const inner = mkdtempSync(join(folder, 'p-'));
        const name = `${TOP}/${parts.join('/')}`.replaceAll('\0', '') || 'x';
        const archive = await raw([{ name: name.slice(0, 99), kind: 'file' }]);
        await assert.rejects(
          unpackRelease(pieces(archive), { folder: inner, top: TOP, signal: neverAborts() }),
        );
        assert.equal(statSync(join(inner, '..', 'etc'), { throwIfNoEntry: false }), undefined);
        assert.equal(statSync(join(inner, '..', 'a'), { throwIfNoEntry: false }), undefined);
      }),
      { numRuns: 25 },
    );
  });
});

async function packed(entries: readonly PackageEntry[]): Promise<Buffer> {
  return await zstd(tarArchive(below(TOP, entries), { mtimeMs: 0 }), { level: 1 });
}

/** An archive with these headers, without content. */
async function raw(
  entries: readonly { name: string; kind: TarKind; mode?: number; linkName?: string }[],
): Promise<Buffer> {
  const headers = entries.map(({ name, kind, mode = 0o644, linkName = '' }) =>
    tarHeader({
      kind,
      name: Buffer.from(name),
      linkName: Buffer.from(linkName),
      mode,
      sizeBytes: 0,
      mtimeMs: 0,
    }),
  );
  return await zstd(Buffer.concat([...headers, TAR_END]), { level: 1 });
}

async function* pieces(content: Buffer): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < content.length; at += 65_536) yield content.subarray(at, at + 65_536);
}

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { indexedStat, readIndexStats, withIndexStats } from './index-file.ts';

const NAMES = [
  'a',
  'folder/b',
  'folder/bc',
  'folder/deep/with space',
  'seven77',
  `long/${'n'.repeat(200)}`,
  'z',
];

for (const format of ['sha1', 'sha256'] as const) {
  for (const version of ['2', '3', '4']) {
    test(`an index of version ${version} with ${format}: git's own stat data, and other data that git reads back`, () => {
      const root = mkdtempSync(join(tmpdir(), 'index-file-'));
      using _ = { [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
      const git = (...args: string[]): string => {
        const ran = spawnSync('git', args, { cwd: root });
        assert.equal(ran.status, 0, ran.stderr.toString());
        return ran.stdout.toString();
      };
      git('init', '-q', `--object-format=${format}`);
      for (const name of NAMES) {
        mkdirSync(dirname(join(root, name)), { recursive: true });
        writeFileSync(join(root, name), `content of ${name}\n`);
      }
      git('add', '-A');
      // Only an entry with more flags makes git write version 3.
      if (version === '3') git('update-index', '--skip-worktree', 'seven77');
      git('update-index', '--index-version', version);
      const path = join(root, '.git/index');
      const index = readFileSync(path);
      assert.equal(String(index.readUInt32BE(4)), version === '2' ? '2' : version);
      const hash = { hashBytes: format === 'sha256' ? 32 : 20 };
      const stats = readIndexStats(index, hash);
      assert.deepEqual([...stats.keys()], [...NAMES].sort());
      for (const name of NAMES) {
        const info = lstatSync(join(root, name), { bigint: true });
        assert.deepEqual(stats.get(name), indexedStat(info), name);
      }
      const other = { ctime: 1, ctimeNs: 2, mtime: 3, mtimeNs: 4, dev: 5, ino: 6, uid: 7, gid: 8, size: 9 };
      writeFileSync(path, withIndexStats(index, new Map([['folder/bc', other]]), hash));
      git('fsck');
      const listed = git('ls-files', '--debug', 'folder/bc');
      assert.match(listed, /ctime: 1:2\n +mtime: 3:4\n +dev: 5\tino: 6\n +uid: 7\tgid: 8\n +size: 9\t/);
      assert.deepEqual(readIndexStats(readFileSync(path), hash).get('a'), stats.get('a'));
    });
  }
}

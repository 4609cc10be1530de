import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { LogFile } from './log-file.ts';

test('lines are appended, and one previous file is kept when the file is full', () => {
  const dir = mkdtempSync(join(tmpdir(), 'log-file-'));
  const path = join(dir, 'log');
  writeFileSync(path, 'old\n');
  {
    using file = new LogFile(path, { maxBytes: 10 });
    file.write('first\n');
    assert.equal(readFileSync(path, 'utf8'), 'old\nfirst\n');
    file.write('second\n');
    assert.deepEqual(
      [readFileSync(`${path}.1`, 'utf8'), readFileSync(path, 'utf8')],
      ['old\nfirst\n', 'second\n'],
    );
    file.write('third\n');
    file.write('longer than the file may be\n');
    assert.equal(readFileSync(`${path}.1`, 'utf8'), 'third\n');
    assert.equal(readFileSync(path, 'utf8'), 'longer than the file may be\n');
  }
  assert.deepEqual(readdirSync(dir).sort(), ['log', 'log.1']);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  rmSync(dir, { recursive: true });
});

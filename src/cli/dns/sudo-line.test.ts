import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sudoLine } from './sudo-line.ts';

test('sudo gets the path of the launcher, unless it finds that program by its name', () => {
  const root = mkdtempSync(join(tmpdir(), 'sudo-'));
  const searched = ['sbin', 'bin'].map((name) => join(root, name));
  for (const folder of [...searched, join(root, 'my tree')]) mkdirSync(folder);
  const launcher = join(root, 'my tree', 'banger');
  writeFileSync(launcher, '');
  const line = (): string => sudoLine(['dns', 'install'], { launcherArgv: [launcher], searched });
  assert.equal(line(), `sudo '${launcher}' dns install`);
  symlinkSync(launcher, join(root, 'bin', 'banger'));
  assert.equal(line(), 'sudo banger dns install');
  writeFileSync(join(root, 'sbin', 'banger'), 'another program, which sudo finds first');
  assert.equal(line(), `sudo '${launcher}' dns install`);
  assert.equal(sudoLine(['x'], { launcherArgv: ['/n/node', '/b.cjs'], searched }), 'sudo /n/node /b.cjs x');
  rmSync(root, { recursive: true });
});

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { lastingName } from './install-places.ts';

describe('lastingName()', () => {
  let home: string;
  let launcher: string;
  before(() => {
    home = mkdtempSync(join(tmpdir(), 'home-'));
    launcher = join(home, '.local/share/banger/releases/v0.1.0/bin/banger');
    for (const folder of [join(launcher, '..'), join(home, '.local/bin')])
      mkdirSync(folder, { recursive: true });
    writeFileSync(launcher, '');
  });
  after(() => rmSync(home, { recursive: true }));

  test('is the launcher itself when no command leads to it', () => {
    assert.equal(lastingName(launcher, home), launcher);
    assert.equal(lastingName(launcher, undefined), launcher);
    symlinkSync('/bin/true', join(home, '.local/bin/banger'));
    assert.equal(lastingName(launcher, home), launcher, 'a command of something else');
  });

  test("is the user's command when that leads to it", () => {
    rmSync(join(home, '.local/bin/banger'), { force: true });
    symlinkSync(launcher, join(home, '.local/bin/banger'));
    assert.equal(lastingName(launcher, home), join(home, '.local/bin/banger'));
  });
});

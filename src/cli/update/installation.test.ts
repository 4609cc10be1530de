import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { isAppError } from '../../base/errors.ts';
import { findInstallation } from './installation.ts';

describe('findInstallation()', () => {
  let home: string;
  beforeEach(() => {
    home = realpathSync(mkdtempSync(join(tmpdir(), 'home-')));
  });
  afterEach(() => rmSync(home, { recursive: true }));

  /** Makes a folder with the bundle of the command line, and perhaps what a release has. */
  function install(folder: string, version?: string): string {
    const root = join(home, folder);
    for (const name of ['dist', 'bin']) mkdirSync(join(root, name), { recursive: true });
    for (const name of ['dist/banger.cjs', 'bin/banger']) writeFileSync(join(root, name), '');
    if (version !== undefined)
      writeFileSync(join(root, 'release.json'), JSON.stringify({ version, arch: 'arm64' }));
    return join(root, 'dist/banger.cjs');
  }

  test("finds the user's install through the command that leads to it", async () => {
    const program = install('.local/share/banger/releases/v1.2.3', 'v1.2.3');
    mkdirSync(join(home, '.local/bin'));
    symlinkSync(
      join(home, '.local/share/banger/releases/v1.2.3/bin/banger'),
      join(home, '.local/bin/banger'),
    );
    const found = await findInstallation(program, { home });
    assert.deepEqual([found.version, found.arch, found.scope], ['v1.2.3', 'arm64', 'user']);
    assert.equal(found.link, join(home, '.local/bin/banger'));
    assert.equal(found.source, undefined);
  });

  for (const [what, folder, version, message] of [
    ['a package of npm', 'lib/node_modules/banger', undefined, /npm owns this install/],
    ['a checkout', 'src/banger', undefined, /it is a checkout/],
    ['an archive that was unpacked by hand', 'opt/banger', 'v1.2.3', /install\.sh did not install it/],
    [
      'a folder with another name than its release',
      'releases/v1.2.4',
      'v1.2.3',
      /install\.sh did not install it/,
    ],
  ] as const) {
    test(`leaves ${what} to what owns it`, async () => {
      const program = install(folder, version);
      await assert.rejects(findInstallation(program, { home }), (error) => {
        assert.ok(isAppError(error, 'UPDATE_NOT_OURS'));
        assert.match(error.message, message);
        assert.ok(error.hint);
        return true;
      });
    });
  }
});

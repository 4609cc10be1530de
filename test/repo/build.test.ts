import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';

const ROOT = join(import.meta.dirname, '..', '..');

/** The files that the bundler needs, and small programs instead of ours. */
const COPIED = [
  'package.json',
  'package-lock.json',
  'scripts/build.ts',
  'scripts/build',
  'src/base',
  'src/protocol/build-info.ts',
];
const PROGRAM =
  "import { buildInfo } from '../protocol/build-info.ts';\nprocess.stdout.write(JSON.stringify(buildInfo()));\n";
const PROGRAMS = {
  'src/cli/main.ts': PROGRAM,
  'src/daemon/main.ts': PROGRAM,
  'src/adapters/vmm/qemu/save/receive-main.ts': '',
};

describe('scripts/build.ts', () => {
  let dir: string;

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'build-'));
    for (const path of COPIED) cpSync(join(ROOT, path), join(dir, path), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
    for (const [path, content] of Object.entries(PROGRAMS)) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), content);
    }
  });

  after(() => {
    rmSync(dir, { recursive: true });
  });

  function run(file: string): string {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(dir, file)], {
      env: { ...process.env, GIT_CEILING_DIRECTORIES: tmpdir() },
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    return stdout + stderr;
  }

  const inode = (): number => statSync(join(dir, 'dist', 'banger.cjs')).ino;

  test('bundles programs once, with the version of their build', () => {
    assert.equal(run('scripts/build.ts'), '==> bundling\n');
    const { builtAt, ...info } = JSON.parse(run('dist/banger.cjs'));
    assert.deepEqual(info, { version: 'dev', commit: 'unknown' });
    assert.ok(Date.now() - Date.parse(builtAt) < 60_000);
    const before = inode();
    assert.equal(run('scripts/build.ts'), '', 'nothing to do');
    assert.equal(inode(), before);
  });

  test('bundles are ASCII, also where comments and texts are not', () => {
    const path = join(dir, 'src/daemon/main.ts');
    writeFileSync(path, `/*! \u2014 kept */\nconsole.log('\u00e9\u2014');\n`);
    run('scripts/build.ts');
    assert.match(
      readFileSync(join(dir, 'dist', 'bangerd.cjs'), 'latin1'),
      /^[\0-\x7f]*\/\*! \? kept [\0-\x7f]*$/,
    );
    assert.equal(run('dist/bangerd.cjs'), '\u00e9\u2014\n');
  });

  test('bundles again when a source, a dependency or a bundle changed, not for a test', () => {
    writeFileSync(join(dir, 'src/cli/main.test.ts'), 'not even TypeScript');
    assert.equal(run('scripts/build.ts'), '');
    writeFileSync(join(dir, 'src/cli/main.ts'), `${PROGRAM}// changed\n`);
    assert.equal(run('scripts/build.ts'), '==> bundling\n');
    writeFileSync(
      join(dir, 'package-lock.json'),
      `${readFileSync(join(dir, 'package-lock.json'), 'utf8')}\n`,
    );
    assert.equal(run('scripts/build.ts'), '==> bundling\n');
    rmSync(join(dir, 'dist/bangerd.cjs'));
    assert.equal(run('scripts/build.ts'), '==> bundling\n');
  });

  test('keeps the old bundles when the sources do not compile', () => {
    const before = inode();
    writeFileSync(join(dir, 'src/cli/main.ts'), "import './missing.ts';\n");
    const { status, stderr } = spawnSync(process.execPath, [join(dir, 'scripts/build.ts')], {
      encoding: 'utf8',
    });
    assert.equal(status, 1);
    assert.match(stderr, /Could not resolve "\.\/missing\.ts"/);
    assert.equal(inode(), before);
  });
});

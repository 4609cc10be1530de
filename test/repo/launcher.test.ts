import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { NODE_FLAGS } from '../../src/config/node-flags.ts';

const LAUNCHER = join(import.meta.dirname, '..', '..', 'bin', 'banger');

describe('bin/banger', () => {
  let dir: string;
  let checkout: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'launcher-'));
    checkout = join(dir, 'a checkout');
    for (const folder of ['bin', 'dist', 'node_modules/.bin']) {
      await mkdir(join(checkout, folder), { recursive: true });
    }
    await copyFile(LAUNCHER, join(checkout, 'bin/banger'));
  });

  after(async () => {
    await rm(dir, { recursive: true });
  });

  function run(
    path: string,
    { cwd = dir, env = process.env }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
  ) {
    const { status, stdout, stderr } = spawnSync(path, ['vm', 'a b', ''], { cwd, env, encoding: 'utf8' });
    return { status, text: stdout + stderr };
  }

  test('says what to do in a checkout before the setup', () => {
    const { status, text } = run(join(checkout, 'bin/banger'));
    assert.equal(status, 1);
    assert.match(text, /error: Cannot run banger from .*: it is not set up\n {2}hint: npm run setup/);
  });

  test("runs the checkout's bundle with its own Node, arguments unchanged, also through links", async () => {
    await writeFile(join(checkout, 'dist/banger.cjs'), '');
    const flags = `shift ${NODE_FLAGS.length}`;
    const node = `#!/bin/sh\n${flags}; cd "\${1%/*}" && pwd -P && shift && printf "[%s]" "$@"\nexit 7\n`;
    await writeFile(join(checkout, 'node_modules/.bin/node'), node, { mode: 0o755 });
    await symlink(join(checkout, 'bin/banger'), join(dir, 'absolute'));
    await mkdir(join(dir, 'links'));
    await symlink('../absolute', join(dir, 'links/relative'));
    const expected = { status: 7, text: `${join(checkout, 'dist')}\n[vm][a b][]` };
    for (const path of [join(checkout, 'bin/banger'), join(dir, 'absolute'), join(dir, 'links/relative')]) {
      assert.deepEqual(run(path), expected, path);
    }
    assert.deepEqual(run('./relative', { cwd: join(dir, 'links') }), expected);
  });

  test('runs the Node of a release first, and finds the one that npm put beside the package', async () => {
    const npm = join(dir, 'npm/node_modules');
    for (const folder of ['.bin', 'banger/bin', 'banger/dist', 'banger/node/bin']) {
      await mkdir(join(npm, folder), { recursive: true });
    }
    await copyFile(LAUNCHER, join(npm, 'banger/bin/banger'));
    await writeFile(join(npm, 'banger/dist/banger.cjs'), '');
    await writeFile(join(npm, '.bin/node'), '#!/bin/sh\necho beside\n', { mode: 0o755 });
    assert.equal(run(join(npm, 'banger/bin/banger')).text, 'beside\n');
    await writeFile(join(npm, 'banger/node/bin/node'), '#!/bin/sh\necho inside\n', { mode: 0o755 });
    assert.equal(run(join(npm, 'banger/bin/banger')).text, 'inside\n');
  });

  test("runs Node with the flags that prevent it from hanging, and so do the tests' own scripts", async () => {
    await writeFile(join(checkout, 'dist/banger.cjs'), '');
    const node = '#!/bin/sh\nprintf "%s " "$@"\n';
    await writeFile(join(checkout, 'node_modules/.bin/node'), node, { mode: 0o755 });
    const words = run(join(checkout, 'bin/banger')).text.split(' ');
    assert.deepEqual(words.slice(0, NODE_FLAGS.length), [...NODE_FLAGS]);
    const scripts = join(LAUNCHER, '../../scripts');
    const lib = await readFile(join(scripts, 'lib.sh'), 'utf8');
    assert.ok(lib.includes(`\nnode_flags=(${NODE_FLAGS.join(' ')})\n`));
    for (const name of (await readdir(scripts)).filter((file) => file.endsWith('.sh'))) {
      const script = await readFile(join(scripts, name), 'utf8');
      // With our own program behind it.
      for (const [line] of script.matchAll(/"\$node" .*\.ts.*/g)) {
        assert.ok(line.startsWith('"$node" "${node_flags[@]}" '), `${name}: ${line}`);
      }
    }
  });

  test('makes Node keep compiled code in the cache of the caller, and nowhere without a home', async () => {
    await writeFile(join(checkout, 'dist/banger.cjs'), '');
    const node = '#!/bin/sh\necho "${NODE_COMPILE_CACHE-none}"\n';
    await writeFile(join(checkout, 'node_modules/.bin/node'), node, { mode: 0o755 });
    const cacheOf = (env: NodeJS.ProcessEnv): string =>
      run(join(checkout, 'bin/banger'), { env: { PATH: process.env['PATH'], ...env } }).text.trim();
    assert.equal(cacheOf({ HOME: '/a home' }), '/a home/.cache/banger/code');
    assert.equal(cacheOf({ HOME: '/home', XDG_CACHE_HOME: '/c' }), '/c/banger/code');
    assert.equal(cacheOf({ HOME: '/home', NODE_COMPILE_CACHE: '/mine' }), '/mine');
    assert.equal(cacheOf({}), 'none');
  });
});

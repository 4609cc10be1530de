import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type CliLab, type CliResult, openCliLab } from '../../../test/support/cli/cli-harness.ts';

describe('banger ssh-config', () => {
  let lab: CliLab;
  let own: string;
  let user: string;
  before(async () => {
    lab = await openCliLab({ hasDaemon: false });
    own = join(lab.home, '.config', 'banger', 'ssh_config');
    user = join(lab.home, '.ssh', 'config');
  });
  after(() => lab[Symbol.asyncDispose]());
  beforeEach(() => {
    for (const path of [own, dirname(user)]) rmSync(path, { recursive: true, force: true });
  });

  const run = (...words: string[]): Promise<CliResult> => lab.run(['ssh-config', ...words]);
  const userText = (): string => readFileSync(user, 'utf8');
  function put(text: string): void {
    mkdirSync(dirname(user));
    writeFileSync(user, text);
  }

  test('without an option it writes only its own file, and prints its path and the line', async () => {
    const { status, stdout } = await run();
    assert.equal(status, 0);
    assert.deepEqual(stdout.split('\n').slice(0, 2), [own, `Include ${own}`]);
    assert.match(stdout, /banger ssh-config --install/);
    assert.equal(existsSync(user), false);
    assert.match(readFileSync(own, 'utf8'), /^Host \*\.vm /m);
    assert.equal(statSync(own).mode & 0o777, 0o600);
  });

  test('--install adds one Include and is idempotent, --uninstall removes it, and the rest stays (ssh_config)', async () => {
    const mine = 'Host work\r\n  User me\r\n\n# last line, without its end';
    put(mine);
    assert.match((await run('--install')).stdout, /^installed: /);
    const installed = userText();
    assert.equal(installed.split(`Include ${own}`).length, 2);
    assert.ok(installed.endsWith(mine));
    const before = statSync(user);
    assert.match((await run('--install')).stdout, /^already installed: /);
    assert.equal(statSync(user).ino, before.ino, 'it was not even written');
    assert.match((await run()).stdout, /includes it: ssh NAME\.vm works/);
    assert.match((await run('--uninstall')).stdout, /^removed from /);
    assert.equal(userText(), mine);
    assert.equal(existsSync(own), false);
    assert.match((await run('--uninstall')).stdout, /^not installed: /);
    assert.equal(userText(), mine);
  });

  test('a file that it creates is private, and is deleted again', async () => {
    await run('--install');
    assert.equal(statSync(user).mode & 0o777, 0o600);
    assert.equal(statSync(dirname(user)).mode & 0o777, 0o700);
    await run('--uninstall');
    assert.deepEqual(readdirSync(dirname(user)), []);
  });

  test('a symlink stays and the notice names its target; a read-only file is refused with the way around', async () => {
    mkdirSync(dirname(user));
    const target = join(lab.home, 'dotfiles');
    writeFileSync(target, 'Host a\n');
    symlinkSync(target, user);
    assert.match((await run('--install')).stderr, new RegExp(`leads to "${target}", which was changed`));
    assert.match(readFileSync(target, 'utf8'), /^Include /m);
    await run('--uninstall');
    assert.equal(readFileSync(target, 'utf8'), 'Host a\n');
    chmodSync(target, 0o444);
    const { status, stderr } = await run('--install');
    assert.equal(status, 1);
    assert.match(stderr, /it is read-only\n.*put the line that banger ssh-config prints at its top yourself/);
    assert.equal(readFileSync(target, 'utf8'), 'Host a\n');
    assert.ok(existsSync(own), 'so that the line works');
    rmSync(target);
  });

  test('when its own file cannot be written, it says so, and the configuration of the user stays', async () => {
    put('Host a\n');
    mkdirSync(own, { recursive: true });
    for (const action of ['--install', '--uninstall']) {
      const { status, stderr } = await run(action);
      assert.equal(status, 1);
      assert.match(
        stderr,
        /Cannot use the ssh configuration ".*\/banger\/ssh_config": it cannot be changed\n/,
      );
      assert.match(stderr, /hint: see who owns ".*\/banger", and make it yours/);
    }
    assert.equal(userText(), 'Host a\n');
  });

  test("a line of the user's own counts, and --uninstall does not remove it", async () => {
    put('Include ~/.config/banger/ssh_config\nHost a\n');
    assert.match((await run()).stdout, /includes it/);
    assert.match((await run('--uninstall')).stdout, /still has a line of your own/);
    assert.equal(userText(), 'Include ~/.config/banger/ssh_config\nHost a\n');
  });

  test('--json prints what was done; --install excludes --uninstall', async () => {
    const done = JSON.parse((await run('--install', '--json')).stdout) as unknown;
    assert.deepEqual(done, {
      path: own,
      include: `Include ${own}`,
      userConfig: user,
      isInstalled: true,
      isChanged: true,
    });
    assert.equal((await run('--install', '--uninstall')).status, 2);
  });
});

import assert from 'node:assert/strict';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { readUserConfig, writeUserConfig } from './user-config.ts';

describe('the user configuration of ssh', () => {
  let home: string;
  let path: string;
  let count = 0;
  let top: string;
  let umask: number;
  before(() => {
    top = mkdtempSync(join(tmpdir(), 'sshcfg-'));
    umask = process.umask(0o077);
  });
  after(() => {
    process.umask(umask);
    rmSync(top, { recursive: true, force: true });
  });
  beforeEach(() => {
    count += 1;
    home = join(top, String(count));
    mkdirSync(home);
    path = join(home, '.ssh', 'config');
  });

  const replace = async (text: string | undefined): Promise<void> =>
    await writeUserConfig(readUserConfig(path), text);
  const modeOf = (file: string): number => statSync(file).mode & 0o7777;
  function put(text: string, mode = 0o644): void {
    mkdirSync(join(home, '.ssh'), { recursive: true });
    writeFileSync(path, text);
    chmodSync(path, mode);
  }

  test('a missing file is created with its folder, both private', async () => {
    assert.equal(readUserConfig(path).text, undefined);
    await replace('User me\n');
    assert.deepEqual([modeOf(path), modeOf(join(home, '.ssh'))], [0o600, 0o700]);
    await replace(undefined);
    assert.deepEqual(readdirSync(join(home, '.ssh')), []);
  });

  test('every byte is read and written, and the mode stays', async () => {
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('latin1');
    put('', 0o644);
    await replace(every);
    assert.equal(readFileSync(path).toString('latin1'), every);
    assert.equal(readUserConfig(path).text, every);
    assert.equal(modeOf(path), 0o644);
  });

  test('behind a symlink, the file itself is replaced', async () => {
    mkdirSync(join(home, 'dotfiles'));
    writeFileSync(join(home, 'dotfiles', 'config'), 'old\n');
    mkdirSync(join(home, '.ssh'));
    symlinkSync('../dotfiles/config', path);
    assert.equal(readUserConfig(path).realPath, join(home, 'dotfiles', 'config'));
    await replace('new\n');
    assert.ok(lstatSync(path).isSymbolicLink());
    assert.equal(readFileSync(join(home, 'dotfiles', 'config'), 'utf8'), 'new\n');
    assert.deepEqual(readdirSync(join(home, 'dotfiles')), ['config']);
  });

  test('what cannot be edited is refused with its reason and the way around', async () => {
    const refusal = (why: RegExp) => ({
      code: 'SSH_CONFIG_UNUSABLE',
      message: why,
      hint: /put the line .* yourself/,
    });
    mkdirSync(join(home, '.ssh'));
    symlinkSync('nowhere', path);
    assert.throws(() => readUserConfig(path), refusal(/symlink to a file that does not exist/));
    rmSync(path);
    symlinkSync('config', path);
    assert.throws(() => readUserConfig(path), refusal(/cannot be read/));
    rmSync(path);
    mkdirSync(path);
    assert.throws(() => readUserConfig(path), refusal(/it is not a file/));
    rmSync(path, { recursive: true });
    put('x'.repeat(2 ** 20 + 1));
    assert.throws(() => readUserConfig(path), refusal(/larger than 1M/));
    put('mine\n', 0o444);
    await assert.rejects(replace('other\n'), refusal(/it is read-only/));
    assert.equal(readFileSync(path, 'utf8'), 'mine\n');
    rmSync(join(home, '.ssh'), { recursive: true });
    writeFileSync(join(home, '.ssh'), '');
    assert.equal(readUserConfigOrWhy(), 'SSH_CONFIG_UNUSABLE');
  });

  test('a file that was saved in the meantime is not overwritten', async () => {
    put('one\n');
    const read = readUserConfig(path);
    put('two\n');
    await assert.rejects(writeUserConfig(read, 'three\n'), /changed at the same moment/);
    assert.equal(readFileSync(path, 'utf8'), 'two\n');
  });

  function readUserConfigOrWhy(): unknown {
    try {
      readUserConfig(path);
      return 'read';
    } catch (error) {
      return (error as { code?: string }).code;
    }
  }
});

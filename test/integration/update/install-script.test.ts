import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { sha256Sums, signText } from '../../../scripts/release/checksums.ts';
import { installScript } from '../../../scripts/release/install-script.ts';
import { archiveOf, fakeRelease } from '../../support/update/fake-release.ts';
import { newKey } from '../../support/update/release-site.ts';

const VERSION = 'v0.2.0';

describe('install.sh of a release that two keys must have signed', {
  skip: process.arch === 'x64' ? false : 'the fake release is for amd64',
}, () => {
  const keys = [newKey(), newKey()];
  let dir: string;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'install-'));
    mkdirSync(join(dir, VERSION));
    mkdirSync(join(dir, 'home'));
    const script = await installScript({
      version: VERSION,
      baseUrl: `file://${dir}`,
      keys: keys.map(({ publicKey }) => publicKey),
      threshold: 2,
    });
    writeFileSync(join(dir, 'install.sh'), script);
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  async function install(signers: typeof keys): Promise<{ status: number | null; text: string }> {
    const name = `banger-${VERSION}-linux-amd64.tar.zst`;
    const content = await archiveOf(VERSION, fakeRelease(VERSION, { stateDir: dir }));
    const sums = sha256Sums([{ name, content }]);
    const put = (file: string, text: string | Buffer): void => writeFileSync(join(dir, VERSION, file), text);
    put(name, content);
    put('SHA256SUMS', sums);
    put(
      'SHA256SUMS.sig',
      signText(
        sums,
        signers.map(({ signer }) => signer),
      ),
    );
    const env = { HOME: join(dir, 'home'), PATH: process.env['PATH'] };
    const { status, stdout, stderr } = spawnSync('sh', [join(dir, 'install.sh'), '--user', '--yes'], {
      env,
      encoding: 'utf8',
    });
    return { status, text: stdout + stderr };
  }

  test('accepts both signatures, in any order', async () => {
    const { status, text } = await install(keys.toReversed());
    assert.equal(status, 0, text);
    assert.ok(existsSync(join(dir, 'home/.local/bin/banger')));
  });

  test('refuses one signature, also when it is there twice', async () => {
    for (const signers of [
      keys.slice(0, 1),
      [...keys.slice(0, 1), ...keys.slice(0, 1)],
      [newKey(), newKey()],
    ]) {
      const { status, text } = await install(signers);
      assert.equal(status, 1, text);
      assert.match(text, /signature of SHA256SUMS is wrong/);
      assert.ok(!existsSync(join(dir, 'home/.local')));
    }
  });
});

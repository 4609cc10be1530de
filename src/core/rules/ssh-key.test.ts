import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../base/abort.ts';
import { exec } from '../../base/process/exec.ts';
import { sshKeyPair } from './ssh-key.ts';

const signal = neverAborts();

test('ssh-keygen reads the key of sshKeyPair(), and computes the same public key', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'key-'));
  // Comments of several lengths, because the padding differs.
  for (const comment of ['root@web', 'a', '', 'banger of somebody at some host']) {
    const pair = sshKeyPair(randomBytes(32), comment);
    const path = join(dir, 'key');
    await writeFile(path, pair.privateKey, { mode: 0o600 });
    const { stdout } = await exec(['ssh-keygen', '-y', '-P', '', '-f', path], { signal });
    assert.equal(stdout.toString().trim(), pair.publicKey.trim());
    await rm(path);
  }
  await rm(dir, { recursive: true });
});

test('sshKeyPair() returns the key of RFC 8032, section 7.1, test 1', () => {
  const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
  const point = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
  const [type, blob, comment] = sshKeyPair(seed, 'me@here').publicKey.trim().split(' ');
  assert.deepEqual([type, comment], ['ssh-ed25519', 'me@here']);
  assert.equal(
    Buffer.from(blob ?? '', 'base64').toString('hex'),
    `0000000b${Buffer.from('ssh-ed25519').toString('hex')}00000020${point}`,
  );
});

test('sshKeyPair() returns the same key for the same seed, and another for another', () => {
  const seed = randomBytes(32);
  assert.deepEqual(sshKeyPair(seed, 'c'), sshKeyPair(Buffer.from(seed), 'c'));
  assert.notEqual(sshKeyPair(seed, 'c').publicKey, sshKeyPair(randomBytes(32), 'c').publicKey);
});

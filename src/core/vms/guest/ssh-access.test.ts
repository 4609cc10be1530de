import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { neverAborts } from '../../../base/abort.ts';
import type { GuestPort } from '../../../protocol/guest.ts';
import { sshKeyPair } from '../../rules/ssh-key.ts';
import type { VmWorld } from '../world.ts';
import { sshAccess } from './ssh-access.ts';

const SEED = Buffer.alloc(32, 7);

/** A world with one VM that runs, `web`, whose guest listens on these ports. */
function worldWith(ports: GuestPort[]): { world: VmWorld; written: string[] } {
  const written: string[] = [];
  const record = { id: '0123456789ab', name: 'web', state: 'running' };
  const world = {
    records: {
      list: () => [record],
      damaged: () => [],
      get: () => record,
      findByName: () => record,
      findByPrefix: () => [record],
    },
    live: { agent: () => Promise.resolve({ ports: () => Promise.resolve(ports) }) },
    hostUser: {
      secret: (purpose: string) =>
        Promise.resolve(purpose === 'ssh host key of 0123456789ab' ? SEED : undefined),
      loginKeyFile: () => Promise.resolve('/keys/id_ed25519'),
    },
    files: {
      writeKnownHosts: (vmId: string, content: string) => {
        written.push(`${vmId}: ${content}`);
        return Promise.resolve('/vms/known_hosts');
      },
    },
  };
  return { world: world as unknown as VmWorld, written };
}

describe('sshAccess', () => {
  const signal = neverAborts();
  const sshd: GuestPort = { proto: 'tcp', address: '::', port: 22 };

  test('writes down the host key that the VM was given', async () => {
    const { world, written } = worldWith([sshd]);
    assert.deepEqual(await sshAccess(world, 'web', { signal }), {
      vm: { id: '0123456789ab', name: 'web' },
      user: 'root',
      port: 22,
      identityFile: '/keys/id_ed25519',
      knownHostsFile: '/vms/known_hosts',
      hostKeyAlias: 'banger-0123456789ab',
    });
    const { publicKey } = sshKeyPair(SEED, 'banger');
    assert.deepEqual(written, [`0123456789ab: banger-0123456789ab ${publicKey}`]);
  });

  test('says that there is no sshd, and what to do instead', async () => {
    const { world, written } = worldWith([
      { ...sshd, proto: 'udp' },
      { ...sshd, port: 2222 },
    ]);
    await assert.rejects(sshAccess(world, 'web', { signal }), {
      code: 'GUEST_NO_SSH',
      message: 'Cannot log in to "web" with ssh: nothing listens on its port 22',
      hint: 'banger vm exec web -- sh',
    });
    assert.deepEqual(written, []);
  });
});

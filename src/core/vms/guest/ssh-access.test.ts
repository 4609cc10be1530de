import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { neverAborts } from '../../../base/abort.ts';
import type { GuestPort } from '../../../protocol/guest.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { VmRecord } from '../../ports/records.ts';
import { sshKeyPair } from '../../rules/ssh-key.ts';
import { type SshWorld, sshAccess } from './ssh-access.ts';

const SEED = Buffer.alloc(32, 7);

/** One running VM, `web`, whose guest listens on these ports. */
function worldWith(ports: GuestPort[]): { world: SshWorld; written: string[] } {
  const written: string[] = [];
  const record = { id: '0123456789ab', name: 'web', state: 'running' } as VmRecord;
  const agent = { ports: () => Promise.resolve(ports) } as unknown as GuestAgent;
  const world: SshWorld = {
    records: { list: () => [record], damaged: () => [] },
    live: { agent: () => Promise.resolve(agent), get: () => undefined, whySilent: () => undefined },
    hostUser: {
      secret: (purpose) =>
        Promise.resolve(purpose === 'ssh host key of 0123456789ab' ? SEED : Buffer.alloc(32)),
      loginKeyFile: () => Promise.resolve('/keys/id_ed25519'),
    },
    files: {
      writeKnownHosts: (vmId, content) => {
        written.push(`${vmId}: ${content}`);
        return Promise.resolve('/vms/known_hosts');
      },
    },
  };
  return { world, written };
}

describe('sshAccess', () => {
  const signal = neverAborts();
  const sshd: GuestPort = { proto: 'tcp', address: '::', port: 22 };

  test('writes the host key of the VM to a file', async () => {
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

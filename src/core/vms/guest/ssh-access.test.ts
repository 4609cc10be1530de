import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { neverAborts } from '../../../base/abort.ts';
import type { GuestPort } from '../../../protocol/guest.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { VmRecord } from '../../ports/records.ts';
import { type SshWorld, sshAccess } from './ssh-access.ts';

/** One running VM, `web`, whose guest listens on these ports. */
function worldWith(ports: GuestPort[]): { world: SshWorld; updateCount: () => number } {
  let updateCount = 0;
  const record = { id: '0123456789ab', name: 'web', state: 'running' } as VmRecord;
  const agent = { ports: () => Promise.resolve(ports) } as unknown as GuestAgent;
  const world: SshWorld = {
    records: { list: () => [record], damaged: () => [] },
    live: { agent: () => Promise.resolve(agent), get: () => undefined, whySilent: () => undefined },
    hostUser: { loginKeyFile: () => Promise.resolve('/keys/id_ed25519') },
    knownHosts: {
      update: () => {
        updateCount += 1;
        return Promise.resolve('/ssh/known_hosts');
      },
    },
  };
  return { world, updateCount: () => updateCount };
}

describe('sshAccess', () => {
  const signal = neverAborts();
  const sshd: GuestPort = { proto: 'tcp', address: '::', port: 22 };

  test('names the key and the host key of the VM', async () => {
    const { world, updateCount } = worldWith([sshd]);
    assert.deepEqual(await sshAccess(world, 'web', { signal }), {
      vm: { id: '0123456789ab', name: 'web' },
      user: 'root',
      port: 22,
      identityFile: '/keys/id_ed25519',
      knownHostsFile: '/ssh/known_hosts',
      hostKeyAlias: 'banger-0123456789ab',
    });
    assert.equal(updateCount(), 1);
  });

  test('says that there is no sshd, and what to do instead', async () => {
    const { world, updateCount } = worldWith([
      { ...sshd, proto: 'udp' },
      { ...sshd, port: 2222 },
    ]);
    await assert.rejects(sshAccess(world, 'web', { signal }), {
      code: 'GUEST_NO_SSH',
      message: 'Cannot log in to "web" with ssh: nothing listens on its port 22',
      hint: /^without ssh: banger vm exec web -- sh; to add ssh to .*openssh-server$/,
    });
    assert.equal(updateCount(), 0);
  });
});

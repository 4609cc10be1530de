import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmRecord } from '../../ports/records.ts';
import { sshKeyPair } from '../../rules/ssh-key.ts';
import { KnownHosts } from './known-hosts.ts';

function worldOf(names: Record<string, string>, userOf: Readonly<Record<string, string>> = {}) {
  const written: string[] = [];
  const users: string[] = [];
  let secretCount = 0;
  const hosts = new KnownHosts({
    records: {
      list: () => Object.entries(names).map(([id, name]) => ({ id, name, user: userOf[id] }) as VmRecord),
    },
    hostUser: {
      secret: async (purpose) => {
        secretCount += 1;
        return Buffer.alloc(32, purpose);
      },
    },
    files: {
      writeKnownHosts: async (content) => {
        written.push(content);
        return '/state/ssh/known_hosts';
      },
      writeLoginUsers: async (content) => {
        users.push(content);
      },
    },
  });
  return { hosts, written, users, secretCount: () => secretCount };
}

function lineOf(id: string, name: string): string {
  const { publicKey } = sshKeyPair(Buffer.alloc(32, `ssh host key of ${id}`), 'banger');
  return `${name}.vm,[${name}.vm]:*,${id}.vm,[${id}.vm]:*,banger-${id} ${publicKey}`;
}

test('update() writes the key of each VM under its name, its id and its alias', async () => {
  const names: Record<string, string> = { aa: 'web', bb: 'db' };
  const { hosts, written, secretCount } = worldOf(names);
  assert.equal(await hosts.update(), '/state/ssh/known_hosts');
  assert.deepEqual(written, [lineOf('aa', 'web') + lineOf('bb', 'db')]);
  names['aa'] = 'api';
  delete names['bb'];
  await hosts.update();
  assert.equal(written.at(-1), lineOf('aa', 'api'));
  assert.equal(secretCount(), 2, 'a key is derived once');
});

test('calls during an update share one further update, which sees what they saw', async () => {
  const names: Record<string, string> = { aa: 'one' };
  const { hosts, written } = worldOf(names);
  const calls = [hosts.update()];
  await new Promise((resolve) => setImmediate(resolve));
  for (const name of ['two', 'three', 'four']) {
    names['aa'] = name;
    calls.push(hosts.update());
  }
  await Promise.all(calls);
  assert.equal(written.at(-1), lineOf('aa', 'four'));
  assert.ok(written.length <= 3, `${written.length} times`);
});

test('update() names the users of VMs that have another than root', async () => {
  const { hosts, users } = worldOf({ aa: 'web', bb: 'db', cc: 'old' }, { aa: 'dev', bb: 'root' });
  await hosts.update();
  assert.deepEqual(users, ['Host web.vm aa.vm\n  User dev\n']);
});

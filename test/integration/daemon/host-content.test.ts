import assert from 'node:assert/strict';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { guestRootOf } from '../../support/fakes/fake-vm-driver.ts';

const signal = neverAborts();

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  await hostFile('.config/banger/config.toml', SYNC);
  await hostFile('.gitconfig', '[user]\nname = Ada\nemail = ada@here\n');
  await hostFile('.netrc', 'machine here');
  await lab.start();
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

const SYNC = `
[[file_sync]]
host = "~/.netrc"
guest = "~/.netrc"

[[file_sync]]
host = "~/not-there"
guest = "~/not-there"
`;

async function hostFile(name: string, content: string): Promise<void> {
  await mkdir(dirname(join(lab.dir, name)), { recursive: true });
  await writeFile(join(lab.dir, name), content);
}

/** Starts a VM. Returns the notices that are not about this host, and the folder of its guest's files. */
async function start(name: string): Promise<{ notices: string[]; home: string }> {
  const notices: string[] = [];
  const { id } = await resultOf(lab.client.startVm(name, { signal }), (news) => {
    if (news.event === 'notice' && !news.message.includes('emulation')) notices.push(news.message);
  });
  return { notices, home: join(guestRootOf(join(lab.settings.paths.vmRuntimeDir, id)), 'root') };
}

test('every start copies the configured files, and keeps the files of the user in the guest', async () => {
  const { client } = lab;
  await resultOf(client.createVm({ name: 'mine', noStart: true }, { signal }));
  const { notices, home } = await start('mine');
  const missing = `"${join(lab.dir, 'not-there')}" is not synced: it does not exist`;
  assert.deepEqual(notices, [missing]);
  const read = (name: string): Promise<string> => readFile(join(home, name), 'utf8');
  assert.equal(await read('.netrc'), 'machine here');
  assert.equal((await stat(join(home, '.netrc'))).mode & 0o7777, 0o600);
  assert.match(await read('.gitconfig'), /name = "Ada"\n\temail = "ada@here"/);
  assert.equal(await read('.hushlogin'), '');
  const key = await readFile(`${lab.settings.paths.sshKeyFile}.pub`, 'utf8');
  assert.equal(await read('.ssh/authorized_keys'), key);
  assert.equal((await stat(join(home, '.ssh'))).mode & 0o7777, 0o700);

  // The next start: the host's file is newer, and the others were changed in the guest.
  await resultOf(client.stopVm('mine', { signal }));
  await hostFile('.netrc', 'machine there');
  await writeFile(join(home, '.gitconfig'), 'theirs');
  await writeFile(join(home, '.ssh/authorized_keys'), 'ssh-rsa AAAA other\n');
  await start('mine');
  assert.equal(await read('.netrc'), 'machine there');
  assert.equal(await read('.gitconfig'), 'theirs');
  assert.equal(await read('.ssh/authorized_keys'), `ssh-rsa AAAA other\n${key}`);

  // A file of the guest that is in the way does not prevent the start, but causes a notice.
  await resultOf(client.stopVm('mine', { signal }));
  await rm(join(home, '.netrc'));
  await mkdir(join(home, '.netrc'));
  const again = await start('mine');
  assert.deepEqual(again.notices[0], missing);
  assert.match(again.notices[1] ?? '', /^"\/root\/\.netrc" was not written in the guest: /);
  await resultOf(client.deleteVm('mine', { signal }));
});

test('a start fails when a configured file cannot be read, names the file, and leaves no process', async () => {
  const { client } = lab;
  await resultOf(client.createVm({ name: 'unread', noStart: true }, { signal }));
  await hostFile('.netrc', '');
  await writeFile(join(lab.dir, '.netrc'), Buffer.alloc(17 * 2 ** 20));
  await assert.rejects(resultOf(client.startVm('unread', { signal })), {
    code: 'FILE_SYNC_TOO_LARGE',
    details: { path: join(lab.dir, '.netrc') },
  });
  assert.equal((await lab.leftovers()).processes, 0);
  await hostFile('.netrc', 'x'.repeat(10 * 2 ** 20));
  const { home } = await start('unread');
  assert.equal((await stat(join(home, '.netrc'))).size, 10 * 2 ** 20);
  await resultOf(client.deleteVm('unread', { signal }));
});

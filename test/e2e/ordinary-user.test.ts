import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { appendFile, chown, lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import type { NameServers } from '../../src/protocol/api/names.ts';
import type { VmPort, VmPorts } from '../../src/protocol/usage.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';
import {
  become,
  NOBODY,
  type OrdinaryUser,
  openOrdinaryUser,
  whyNoOrdinaryUser,
} from './support/ordinary-user.ts';

/** An unknown user id: no home, no groups, no way to become root. */
const STRANGER = 65533;

const signal = neverAborts();

/** What makes a container that serves a page: its web server, and the script that runs in the guest. */
const CONTAINER = new URL('../support/container/', import.meta.url);

/** The other tests run as the user who starts them; this file switches to others. */
const skip = await whySkipped();
const skipOrdinary = await whyNoOrdinaryUser();

/** Labs of two users of one machine: `nobody`, and root, who runs the tests. */
let theirs: Lab;
let ours: Lab;
let user: OrdinaryUser;

before(async () => {
  if (skipOrdinary) return;
  user = await openOrdinaryUser();
  theirs = user.lab;
  if (!skip) ours = await openLab();
});

after(async () => {
  if (skipOrdinary) return;
  if (!skip) await ours[Symbol.asyncDispose]();
  await user[Symbol.asyncDispose]();
});

test('an ordinary user runs a VM', { skip }, async () => {
  const ran = await theirs.run(['vm', 'run', '--rm', ...SMALL, '--', 'id', '-u']);
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stdout.toString(), '0\n');
  await theirs.nothingLeft();
});

test('the web gateway of an ordinary user serves that user, and not even root', { skip }, async () => {
  const servers = JSON.parse(await theirs.text(['dns', 'status', '--json'])) as NameServers;
  assert.deepEqual([servers.dns.state, servers.gateway.state], ['listening', 'listening']);
  const url = `http://nope.localhost:${servers.gateway.port}/`;
  const curl = (prefix: readonly string[]): Promise<{ stdout: Buffer }> =>
    exec(['env', ...prefix, 'curl', '--silent', '--noproxy', '*', '--max-time', '30', url], { signal });
  assert.match((await curl(become(NOBODY))).stdout.toString(), /^There is no VM "nope"\n/);
  await assert.rejects(curl([]), { code: 'EXEC_FAILED' });
});

test('dns install of an ordinary user prints the line for sudo, with the path of this checkout', {
  skip: skipOrdinary,
}, async () => {
  const refused = await theirs.run(['dns', 'install', '--for', 'unbound']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /hint: sudo \/\S+\/bin\/banger dns install --for unbound$/m);
});

test('the demo, as an ordinary user: ssh by name, a container with port 80, and its page on this host', {
  skip: skipOrdinary,
}, async () => {
  const { client } = user;
  await theirs.text(['ssh-config', '--install']);
  // As docs/editors.md says.
  const shared = ['ControlMaster auto', `ControlPath ${join(client.home, 'cm')}`, 'ControlPersist 10m'];
  await appendFile(client.config, ['Host *.vm', ...shared, ''].join('\n  '));
  await theirs.text(['vm', 'run', '--nat', '--name', 'demo', ...SMALL]);
  const inGuest = (line: string, input?: string): string => {
    const { status, stdout, stderr } = client.run(['ssh', '-F', client.config, 'demo.vm', line], input);
    assert.equal(status, 0, stderr);
    return stdout;
  };
  assert.equal(inGuest('id -u; hostname -f'), '0\ndemo.vm\n');
  inGuest('cat >serve-hello.pl', await readFile(new URL('serve-hello.pl', CONTAINER), 'utf8'));
  inGuest('sh', await readFile(new URL('make-image.sh', CONTAINER), 'utf8'));
  inGuest('docker run -d -p 80:80 hello');
  const ports = async (): Promise<string> => await theirs.text(['vm', 'ports', 'demo']);
  await until(async () => /^demo\.vm:80 .*http/m.test(await ports()), { what: 'the port', everyMs: 500 });
  const [, url = ''] = /^demo\.vm:80 +tcp +docker-proxy .*(http:\/\/\S+)/m.exec(await ports()) ?? [];
  const { gateway } = JSON.parse(await theirs.text(['dns', 'status', '--json'])) as NameServers;
  for (const page of [url, `http://demo.localhost:${gateway.port}/`])
    assert.equal(client.text(['curl', '-sS', '--noproxy', '*', page]), 'hello\n', page);
});

test('an ordinary user copies files with scp, sftp, rsync and git, by the name of a VM', {
  skip: skipOrdinary,
}, async () => {
  const { client } = user;
  const { config } = client;
  client.text(['sh', '-c', 'printf copied > one']);
  client.text(['scp', '-q', '-F', config, 'one', 'demo.vm:two']);
  client.text(['sftp', '-q', '-F', config, '-b', '-', 'demo.vm'], 'get two three\nput three four\n');
  client.text(['rsync', '-a', 'demo.vm:four', 'five']);
  assert.equal(client.text(['cat', 'five']), 'copied');
  const commit = 'git -c user.name=a -c user.email=a@b commit -q --allow-empty -m';
  client.ssh(
    'demo.vm',
    `git init -q repo && cd repo && ${commit} first && git config receive.denyCurrentBranch ignore`,
  );
  client.text(['git', 'clone', '-q', 'demo.vm:repo', 'cloned']);
  client.text(['sh', '-c', `cd cloned && ${commit} second && git push -q`]);
  assert.equal(client.ssh('demo.vm', 'git -C repo log --format=%s').stdout, 'second\nfirst\n');
  client.ssh('-O', 'exit', 'demo.vm');
  await theirs.text(['vm', 'delete', 'demo']);
});

test('two users do not see each other, and a cleanup of one does not affect the other', {
  skip,
}, async () => {
  await theirs.text(['vm', 'create', '--name', 'theirs', ...SMALL]);
  await ours.text(['vm', 'create', '--name', 'ours', ...SMALL]);
  const templatesOf = async (lab: Lab): Promise<string[]> =>
    (JSON.parse(await lab.text(['template', 'list', '--json'])) as { key: string }[]).map(({ key }) => key);
  const before = await templatesOf(theirs);
  assert.equal(before.length, 1);
  const boots = await Promise.all([bootId(theirs, 'theirs'), bootId(ours, 'ours')]);

  for (const [lab, own, other] of [
    [theirs, 'theirs', 'ours'],
    [ours, 'ours', 'theirs'],
  ] as const) {
    const names = JSON.parse(await lab.text(['vm', 'list', '--all', '--json'])) as { name: string }[];
    assert.deepEqual(
      names.map(({ name }) => name),
      [own],
    );
    assert.match((await lab.run(['vm', 'show', other])).stderr, /Cannot find/);
    await lab.run(['doctor', '--fix']);
    await lab.text(['vm', 'prune', '-f']);
  }
  // Not those of root, because the tests only borrow them.
  await theirs.text(['template', 'prune', '--all']);
  assert.deepEqual(await templatesOf(theirs), []);
  assert.deepEqual(await Promise.all([bootId(theirs, 'theirs'), bootId(ours, 'ours')]), boots);
  await ours.text(['daemon', 'stop']);
  await theirs.text(['daemon', 'stop']);
  assert.deepEqual(await Promise.all([bootId(theirs, 'theirs'), bootId(ours, 'ours')]), boots);
});

test("an ordinary user's forwarded ports are for that user alone, and a low one moves up where it must", {
  skip,
}, async () => {
  const listed = async (): Promise<VmPort | undefined> => {
    const [vm] = JSON.parse(await theirs.text(['vm', 'ports', '--json', 'theirs'])) as VmPorts[];
    return vm?.ports.find(({ port }) => port === 22);
  };
  await until(async () => (await listed())?.hostPort !== undefined, { everyMs: 200 });
  const { hostAddress, hostPort = 0, problem } = (await listed()) ?? {};
  assert.equal(problem, undefined);
  const first = Number(await readFile('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  assert.equal(hostPort, first > 22 ? 8022 : 22);
  const mark = first > 22 ? / \(moved\)/ : / /;
  assert.match(await theirs.text(['vm', 'ports', 'theirs']), mark);
  const greet = async (prefix: readonly string[]): Promise<string> => {
    const script = `head -c 4 </dev/tcp/${hostAddress}/${hostPort}`;
    const okCodes = [0, 1];
    const ran = await exec(['env', ...prefix, 'bash', '-c', script], { signal, okCodes });
    return ran.stdout.toString();
  };
  assert.equal(await greet(become(NOBODY)), 'SSH-');
  assert.equal(await greet(become(STRANGER)), '');
  assert.equal(await greet([]), '', 'root is another user');
});

test('another user can use neither our sockets and disks nor our templates', { skip }, async () => {
  const { paths } = theirs;
  for (const dir of [
    paths.runtimeDir,
    paths.vmRuntimeDir,
    paths.stateDir,
    paths.vmsDir,
    paths.templatesDir,
  ]) {
    assert.equal((await lstat(dir)).mode & 0o077, 0, dir);
    const { code } = await exec([...become(STRANGER), 'ls', dir], { signal, okCodes: [0, 1, 2] });
    assert.notEqual(code, 0, dir);
  }
  const asStranger = await openLab({ scratch: theirs.scratch, prefix: become(STRANGER) });
  const ran = await asStranger.run(['vm', 'list']);
  assert.notEqual(ran.code, 0);
  assert.ok(existsSync(paths.daemonSocket));
  // Root may open any socket, but is refused because of its owner before it sends anything.
  const asRoot = await openLab({ scratch: theirs.scratch });
  const refused = await asRoot.run(['vm', 'list']);
  assert.match(refused.stderr, new RegExp(`belongs to user ${NOBODY}, not to you`));
});

test('a folder that another user has created in place of ours is never used', { skip }, async () => {
  // The place for sockets when the state folder cannot hold them; in /tmp any user can be first.
  const place = `/tmp/banger-runtime-${STRANGER}`;
  await rm(place, { recursive: true, force: true });
  const home = await mkdtemp(join(tmpdir(), 'bv-'));
  await chown(home, STRANGER, STRANGER);
  const victim = await openLab({
    scratch: home,
    prefix: become(STRANGER),
    env: {
      HOME: home,
      XDG_RUNTIME_DIR: undefined,
      XDG_STATE_HOME: join(home, 's'),
      XDG_CACHE_HOME: join(home, 'k'),
      XDG_DATA_HOME: join(home, 'd'),
    },
  });
  try {
    await victim.text(['vm', 'list']);
    await victim.text(['daemon', 'stop']);
    assert.equal(existsSync(place), false, 'it is not needed');
    await rm(victim.paths.runtimeDir, { recursive: true });
    await writeFile(victim.paths.runtimeDir, 'no sockets here');
    await chown(victim.paths.runtimeDir, STRANGER, STRANGER);
    for (const mode of ['755', '777', '1777']) {
      await exec([...become(NOBODY), 'mkdir', '-m', mode, place], { signal });
      await exec([...become(NOBODY), 'mkdir', '-m', '777', join(place, 'banger')], { signal });
      const ran = await victim.run(['vm', 'list']);
      assert.notEqual(ran.code, 0);
      assert.match(ran.stderr, /Cannot put sockets under "[^"]+": /);
      assert.deepEqual(await readdir(join(place, 'banger')), []);
      await rm(place, { recursive: true });
    }
    await victim.text(['vm', 'list']);
    assert.ok((await victim.text(['daemon', 'socket'])).startsWith(`${place}/banger/`));
    await victim.text(['daemon', 'stop']);
  } finally {
    for (const dir of [place, home]) await rm(dir, { recursive: true, force: true });
  }
});

async function bootId(lab: Lab, name: string): Promise<string> {
  return await lab.text(['vm', 'exec', name, '--', 'cat', '/proc/sys/kernel/random/boot_id']);
}

async function whySkipped(): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'only root can play several users';
  return await whyNoOrdinaryUser();
}

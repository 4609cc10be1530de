import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installText, unitTexts } from './units.ts';

const owner = { name: 'dev', uid: 1000, gid: 1000, home: '/home/dev' };

function unit(name: string, home = owner.home): string[] {
  return (unitTexts({ owner: { ...owner, home }, arch: 'amd64' }).get(name) ?? '').split('\n');
}

test('the helper can only change the network, and nothing that it started ends with it', () => {
  const lines = unit('bangerd-root.service');
  for (const line of [
    'ExecStart=/usr/local/lib/banger-system/root/bin/bangerd-root-amd64 --owner 1000',
    'CapabilityBoundingSet=CAP_NET_ADMIN',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'ProtectHome=yes',
    'RestrictAddressFamilies=AF_UNIX AF_NETLINK',
    'SystemCallFilter=@system-service',
    'SystemCallFilter=~@privileged @resources',
    'KillMode=process',
    'SendSIGKILL=no',
  ])
    assert.ok(lines.includes(line), line);
});

test('only the owner can open the socket of the helper', () => {
  const lines = unit('bangerd-root.socket');
  for (const line of [
    'ListenStream=/run/banger-root/bangerd-root.sock',
    'SocketUser=1000',
    'SocketMode=0600',
  ])
    assert.ok(lines.includes(line), line);
});

test('the daemon is the owner, VMs and sockets outlive it, and image builds may use newuidmap', () => {
  const lines = unit('bangerd.service');
  for (const line of [
    'User=dev',
    'KillMode=process',
    'RuntimeDirectoryPreserve=yes',
    'ProtectSystem=strict',
    'ReadWritePaths=-/home/dev /tmp /var/tmp',
  ])
    assert.ok(lines.includes(line), line);
  // Each of these implies NoNewPrivileges for a service of a user (systemd.exec(5)).
  for (const line of lines)
    assert.doesNotMatch(line, /^(NoNewPrivileges|RestrictSUIDSGID|LockPersonality|SystemCall|Restrict)/);
});

test('a home folder with blanks and percent signs stays one path', () => {
  const [line] = unit('bangerd.service', '/home/a b%h').filter((each) => each.startsWith('ReadWritePaths'));
  assert.equal(line, 'ReadWritePaths="-/home/a b%%h" /tmp /var/tmp');
});

test('the file of the install says whom it serves', () => {
  const facts = { version: 'v1.2.3', commit: 'abc', builtAt: 'then', now: new Date(0) };
  assert.match(
    installText({ owner, arch: 'amd64' }, facts),
    /\nowner = "dev"\nowner_uid = 1000\n[\s\S]*version = "v1.2.3"\n[\s\S]*installed_at = "1970-01-01T00:00:00.000Z"\n$/,
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installHint, packagesOf, requireTool } from './packages.ts';

test('packages of several programs are joined, each once', () => {
  assert.deepEqual(packagesOf(['qemu-system-x86_64', 'qemu-img', 'mkfs.ext4', 'mkfs.ext4']), {
    apt: 'qemu-system-x86 qemu-utils e2fsprogs',
    dnf: 'qemu-system-x86-core qemu-img e2fsprogs',
    pacman: 'qemu-system-x86 qemu-img e2fsprogs',
    zypper: 'qemu-x86 qemu-microvm qemu-tools e2fsprogs',
  });
});

test('the hint is a command for each package manager', () => {
  assert.equal(
    installHint(['qemu-img']),
    'install it: apt install qemu-utils (Debian, Ubuntu), dnf install qemu-img (Fedora), pacman -S qemu-img (Arch), zypper install qemu-tools (openSUSE)',
  );
});

test('a tool is found outside of an ordinary PATH too', async () => {
  assert.match(await requireTool('mkfs.ext4', { PATH: '/usr/bin' }), /\/mkfs\.ext4$/);
});

test('a missing tool is named with its package', async () => {
  await assert.rejects(requireTool('mkfs.none', { PATH: '/nowhere' }), { code: 'VMM_TOOL_MISSING' });
});

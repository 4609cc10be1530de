import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installCommands, installHint, packagesOf } from './host-packages.ts';

test('the packages of several programs are listed, each once', () => {
  assert.deepEqual(packagesOf(['qemu-system-x86_64', 'qemu-img', 'mkfs.ext4', 'mkfs.ext4']), {
    apt: 'qemu-system-x86 qemu-utils e2fsprogs',
    dnf: 'qemu-system-x86-core qemu-img e2fsprogs',
    pacman: 'qemu-system-x86 qemu-img e2fsprogs',
    zypper: 'qemu-x86 qemu-microvm qemu-tools e2fsprogs',
  });
});

test('an unknown program is expected in a package of the same name', () => {
  assert.deepEqual(packagesOf(['git', 'newuidmap']), {
    apt: 'git uidmap',
    dnf: 'git shadow-utils',
    pacman: 'git shadow',
    zypper: 'git shadow',
  });
});

test('the hint is a command for each package manager, and names what is installed', () => {
  assert.equal(
    installHint(['qemu-img']),
    'install it: apt install qemu-utils (Debian, Ubuntu), dnf install qemu-img (Fedora), pacman -S qemu-img (Arch), zypper install qemu-tools (openSUSE)',
  );
  assert.match(installHint(['tar'], 'GNU tar'), /^install GNU tar: apt install tar \(Debian, Ubuntu\), /);
});

test('install commands are on one line', () => {
  assert.equal(
    installCommands(packagesOf(['ssh'])),
    'apt install openssh-client  |  dnf install openssh-clients  |  pacman -S openssh  |  zypper install openssh-clients',
  );
});

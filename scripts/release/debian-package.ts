import { below, contentOf, type PackageEntry, plainFile } from './entries.ts';
import { gzipped, tarArchive, type ZstdLevel, zstd } from './tar-archive.ts';

/**
 * The VMM of each architecture, by Debian's names; the other one emulates guests of the other architecture.
 */
const QEMU_PACKAGE = { amd64: 'qemu-system-x86', arm64: 'qemu-system-arm' } as const;

const DESCRIPTION = `one-command development sandboxes on microVMs
 One command boots a throwaway Linux VM with your git working tree in it, runs a
 command there, and exits with its status. It uses KVM where that works, and
 software emulation elsewhere. It needs no root, no cloud and no container engine.`;

/**
 * A Debian package (deb(5)) of the release tree: all of it below `/usr/lib/banger`, and what other programs
 * look for (the command, manual, completions) linked from its usual place. It runs no script when it is
 * installed or removed. dpkg reads its zstd archive from 1.21.18 on (Debian 12, Ubuntu 18.04).
 */
export async function debianPackage(
  tree: readonly PackageEntry[],
  {
    version,
    arch,
    mtimeMs,
    level,
    copyright,
  }: ZstdLevel & { version: string; arch: 'amd64' | 'arm64'; mtimeMs: number; copyright: string },
): Promise<Buffer> {
  const links = tree
    .filter(({ path }) => /^share\/(man|bash-completion|zsh|fish)\//.test(path))
    .map(({ path }) => ({ path: `usr/${debianPlace(path)}`, target: `/usr/lib/banger/${path}` }));
  const entries: PackageEntry[] = [
    ...below('usr/lib/banger', tree),
    ...links,
    { path: 'usr/bin/banger', target: '../lib/banger/bin/banger' },
    plainFile('usr/share/doc/banger/copyright', copyright),
  ];
  const sizeKib = Math.ceil(entries.reduce((sum, entry) => sum + contentOf(entry).length, 0) / 1024);
  const control = [
    'Package: banger',
    `Version: ${version}`,
    `Architecture: ${arch}`,
    'Maintainer: The developers of banger <banger@banger.dev>',
    `Installed-Size: ${sizeKib}`,
    `Depends: ${QEMU_PACKAGE[arch]}, qemu-utils, e2fsprogs, openssh-client, git, mmdebstrap, uidmap, libc6 (>= 2.28)`,
    `Suggests: ${QEMU_PACKAGE[arch === 'amd64' ? 'arm64' : 'amd64']}, firecracker`,
    'Section: devel',
    'Priority: optional',
    `Description: ${DESCRIPTION}`,
    '',
  ].join('\n');
  return arArchive(
    [
      { name: 'debian-binary', content: Buffer.from('2.0\n') },
      {
        name: 'control.tar.gz',
        content: await gzipped(tarArchive([plainFile('control', control)], { mtimeMs, root: './' })),
      },
      { name: 'data.tar.zst', content: await zstd(tarArchive(entries, { mtimeMs, root: './' }), { level }) },
    ],
    { mtimeMs },
  );
}

/** Where Debian keeps what the tree has at `path`. */
function debianPlace(path: string): string {
  return path.replace(/^share\/zsh\/site-functions\//, 'share/zsh/vendor-completions/');
}

/** An archive of ar(5), as deb(5) wants it: plain names, owned by root. */
function arArchive(
  members: readonly { name: string; content: Buffer }[],
  { mtimeMs }: { mtimeMs: number },
): Buffer {
  const seconds = String(Math.floor(mtimeMs / 1000));
  const parts = members.flatMap(({ name, content }) => [
    Buffer.from(
      `${name.padEnd(16)}${seconds.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(content.length).padEnd(10)}\`\n`,
    ),
    content,
    Buffer.alloc(content.length % 2, '\n'),
  ]);
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts]);
}

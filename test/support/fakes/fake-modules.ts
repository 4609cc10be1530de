import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * The smallest file that passes for a kernel module: an ELF header, some content, one section's entry at the
 * end.
 */
export function fakeElf(content: string): Buffer {
  const body = Buffer.from(content.padEnd(64));
  const elf = Buffer.alloc(64 + body.length + 64);
  elf.writeUInt32BE(0x7f454c46, 0);
  elf.writeBigUInt64LE(BigInt(64 + body.length), 40);
  elf.writeUInt16LE(64, 58);
  elf.writeUInt16LE(1, 60);
  body.copy(elf, 64);
  return elf;
}

/**
 * Makes a folder as `/lib/modules/<release>`: `listed` maps each module's path to the paths that it needs.
 */
export async function makeModules(
  dir: string,
  { listed, builtin }: { listed: Readonly<Record<string, readonly string[]>>; builtin: readonly string[] },
): Promise<void> {
  for (const path of Object.keys(listed)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), fakeElf(path));
  }
  const lines = Object.entries(listed).map(([path, needs]) => `${path}: ${needs.join(' ')}\n`);
  await writeFile(join(dir, 'modules.dep'), lines.join(''));
  await writeFile(join(dir, 'modules.builtin'), builtin.map((path) => `${path}\n`).join(''));
}

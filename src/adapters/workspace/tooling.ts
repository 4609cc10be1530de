import { join } from 'node:path';
import type { WorkspaceTooling } from '../../protocol/api/workspace.ts';
import { readSmallFile } from './small-file.ts';

/**
 * Files that mise reads by itself, and the pattern of a tool in each, at the start of a line (mise.jdx.dev,
 * "Configuration").
 */
const MISE_FILES = [
  { name: '.mise.toml', namesTool: (tool: string) => new RegExp(`^\\s*["']?${tool}["']?\\s*=`, 'm') },
  { name: 'mise.toml', namesTool: (tool: string) => new RegExp(`^\\s*["']?${tool}["']?\\s*=`, 'm') },
  { name: '.tool-versions', namesTool: (tool: string) => new RegExp(`^\\s*${tool}\\s`, 'm') },
] as const;

/**
 * Files of the tools themselves that pin a version, and how it is found; the first file of a tool that has
 * one counts.
 */
const PINS: readonly { tool: string; aliases: readonly string[]; file: string; version: RegExp }[] = [
  { tool: 'go', aliases: ['go', 'golang'], file: 'go.mod', version: /^toolchain\s+go([0-9][\w.]*)\s*$/m },
  { tool: 'go', aliases: ['go', 'golang'], file: 'go.mod', version: /^go\s+([0-9][\w.]*)\s*$/m },
  { tool: 'node', aliases: ['node', 'nodejs'], file: '.node-version', version: /^\s*v?([0-9][\w.]*)\s*$/ },
  { tool: 'node', aliases: ['node', 'nodejs'], file: '.nvmrc', version: /^\s*v?([0-9][\w.]*)\s*$/ },
  { tool: 'python', aliases: ['python'], file: '.python-version', version: /^\s*([0-9][\w.]*)\s*$/m },
  {
    tool: 'rust',
    aliases: ['rust'],
    file: 'rust-toolchain.toml',
    version: /^\s*channel\s*=\s*["']([\w.-]+)["']/m,
  },
  {
    tool: 'rust',
    aliases: ['rust'],
    file: 'rust-toolchain',
    version: /^\s*([0-9][\w.-]*|stable|beta|nightly)\s*$/,
  },
];

/** What is accepted as a version. */
const VERSION = /^[A-Za-z0-9][\w.-]{0,63}$/;

/**
 * The tools that the files at the top of a working tree ask for; `undefined` when they ask for none. Only
 * reads, and follows no link, because the repository may come from others. Pins consist of letters, digits,
 * `.`, `_` and `-`.
 */
export async function findTooling(root: string): Promise<WorkspaceTooling | undefined> {
  const read = async (name: string): Promise<string | undefined> =>
    (await readSmallFile(join(root, name), { followLink: false }))?.toString('utf8');
  const mise = await Promise.all(MISE_FILES.map(async (file) => ({ ...file, text: await read(file.name) })));
  const managed = mise.flatMap(({ text, ...file }) => (text === undefined ? [] : [{ ...file, text }]));
  const pins = new Map<string, string>();
  for (const { tool, aliases, file, version } of PINS) {
    const isManaged = managed.some(({ text, namesTool }) =>
      aliases.some((alias) => namesTool(alias).test(text)),
    );
    if (isManaged || pins.has(tool)) continue;
    const found = version.exec((await read(file)) ?? '')?.[1];
    if (found !== undefined && VERSION.test(found)) pins.set(tool, `${tool}@${found}`);
  }
  if (managed.length === 0 && pins.size === 0) return undefined;
  return { files: managed.map(({ name }) => name), pins: [...pins.values()] };
}

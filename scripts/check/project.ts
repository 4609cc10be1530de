import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, extname, join, posix } from 'node:path';
import { type Import, type ModuleFacts, readModule } from './modules.ts';

/** A TypeScript file of the project. */
export interface SourceFile extends ModuleFacts {
  /** from the project's root, with `/` */
  path: string;
  text: string;
  isTest: boolean;
}

/** All that the checks look at; read once. */
export interface Project {
  root: string;
  /** every text file that git would keep, by path */
  texts: ReadonlyMap<string, string>;
  /** the TypeScript among them */
  sources: ReadonlyMap<string, SourceFile>;
}

/** Something that breaks a rule. */
export interface Finding {
  path: string;
  line?: number;
  message: string;
}

/** One rule over the whole project. */
export interface Rule {
  name: string;
  find(project: Project): Finding[];
}

/** Folders that hold nothing of ours. */
const SKIPPED_FOLDERS = new Set(['node_modules', '.git', 'dist', '.cache', 'bin']);
const BINARY_EXTENSIONS = new Set(['.png', '.gz', '.zst', '.ext4', '.qcow2', '.ico']);

/** Reads the project under `root`. */
export async function readProject(root: string): Promise<Project> {
  const texts = new Map<string, string>();
  const sources = new Map<string, SourceFile>();
  for (const path of (await listFiles(root, '')).sort()) {
    const text = readFileSync(join(root, path), 'utf8');
    texts.set(path, text);
    if (extname(path) === '.ts') {
      sources.set(path, { path, text, isTest: isTestPath(path), ...readModule(text) });
    }
  }
  return { root, texts, sources };
}

/** True for tests and for what only tests use. */
function isTestPath(path: string): boolean {
  return path.endsWith('.test.ts') || path.startsWith('test/');
}

/** The project file that `taken` means, or `undefined` for a package or a file that does not exist. */
export function resolveImport(
  project: Project,
  from: SourceFile,
  taken: Pick<Import, 'specifier'>,
): SourceFile | undefined {
  if (!taken.specifier.startsWith('.')) return undefined;
  return project.sources.get(posix.normalize(posix.join(dirname(from.path), taken.specifier)));
}

/** Name of the npm package of a bare specifier; `undefined` for relative and `node:` ones. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

async function listFiles(root: string, folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = posix.join(folder, entry.name);
    // The launchers in bin/ of the root are ours; agent/bin and host/bin are built.
    const isSkipped = SKIPPED_FOLDERS.has(entry.name) && path !== 'bin';
    if (entry.isDirectory() && !isSkipped) found.push(...(await listFiles(root, path)));
    if (entry.isFile() && !BINARY_EXTENSIONS.has(extname(entry.name))) found.push(path);
  }
  return found;
}

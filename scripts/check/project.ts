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

/** Everything that the checks inspect; read once. */
export interface Project {
  root: string;
  /** every text file that git does not ignore, by path */
  texts: ReadonlyMap<string, string>;
  /** the TypeScript files among them */
  sources: ReadonlyMap<string, SourceFile>;
}

/** A violation of a rule. */
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

/** Folders whose content we did not write. */
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

/** Returns whether the file is a test, or support code for tests. */
function isTestPath(path: string): boolean {
  return path.endsWith('.test.ts') || path.startsWith('test/');
}

/** The project file that `taken` imports; `undefined` for a package or a missing file. */
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
    // The launchers in the bin/ of the checkout are source files; those of the Go modules hold programs.
    const isSkipped = SKIPPED_FOLDERS.has(entry.name) && path !== 'bin';
    if (entry.isDirectory() && !isSkipped) found.push(...(await listFiles(root, path)));
    if (entry.isFile() && !BINARY_EXTENSIONS.has(extname(entry.name))) found.push(path);
  }
  return found;
}

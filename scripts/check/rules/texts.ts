import { homedir } from 'node:os';
import { dirname } from 'node:path';
import type { Finding, Project, Rule } from '../project.ts';

/** Maximum number of lines of a file, tests included. */
const MAX_LINES = 400;

/** Files are small. */
export const filesAreShort: Rule = {
  name: 'files-are-short',
  find: (project) =>
    [...project.texts]
      .filter(([path]) => /\.(ts|go|sh)$/.test(path))
      .map(([path, text]) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > MAX_LINES)
      .map(({ path, lines }) => ({ path, message: `has ${lines} lines; split it` })),
};

/** Folders that people read. The others hold documents and generated files. */
const READ_FOLDERS = /^(src|test|scripts|agent|host|root|bench)\//;

/** Maximum number of source files in one folder; tests next to their source do not count. */
const MAX_FOLDER_FILES = 20;

/** Folders are small, so that a reader sees all of one at a glance. */
export const foldersAreSmall: Rule = {
  name: 'folders-are-small',
  find(project) {
    const counts = new Map<string, number>();
    for (const path of project.texts.keys()) {
      if (!READ_FOLDERS.test(path) || !/\.(ts|go|sh)$/.test(path)) continue;
      if (/(\.test\.ts|_test\.go)$/.test(path)) continue;
      counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
    }
    return [...counts]
      .filter(([, count]) => count > MAX_FOLDER_FILES)
      .map(([path, count]) => ({
        path,
        message: `has ${count} files of source, of ${MAX_FOLDER_FILES} at most: group them in folders`,
      }));
  },
};

/** Maximum length of a comment line; the formatter uses the same for code. */
const MAX_COMMENT_WIDTH = 110;

/** A line that is only a comment, in the languages whose formatter does not wrap comments. */
const COMMENT_LINE = /^\s*(\/\/|\/\*|\* |#)/;

/** Comments wrap at the same width as code. */
export const commentsAreNarrow: Rule = {
  name: 'comments-are-narrow',
  find: (project) =>
    eachLine(project, (line, path) => {
      if (!/\.(ts|go|sh)$/.test(path) || !COMMENT_LINE.test(line)) return undefined;
      return line.length > MAX_COMMENT_WIDTH
        ? `has ${line.length} characters, of ${MAX_COMMENT_WIDTH} at most: wrap the comment`
        : undefined;
    }),
};

/** Names of folders and files are in kebab-case, but for those of Go and those that tools require. */
export const namesAreKebabCase: Rule = {
  name: 'names-are-kebab-case',
  find: (project) =>
    [...project.sources.keys()]
      .filter((path) => !/^([a-z0-9-]+\/)*[a-z0-9-]+(\.test)?\.ts$/.test(path))
      .map((path) => ({ path, message: 'use kebab-case' })),
};

/** The source has no notes about postponed work; they belong into the tracker. */
export const nothingPutOff: Rule = {
  name: 'nothing-put-off',
  find: (project) =>
    eachLine(project, (line) =>
      /\b(TO\x44O|FIX\x4dE|XX\x58|HAC\x4b)\b/.test(line) ? 'finish it, or leave the remark out' : undefined,
    ),
};

/**
 * Nothing here would connect to a host under these names: they are documentation, standards, names that RFC
 * 2606 reserves, and names of modules.
 */
const HARMLESS_HOST =
  /^(.*\.)?(example|example\.(com|org|net)|localhost|invalid|test|vm|in-toto\.io)$|^(keepachangelog|semver|no-color|banger|golang|git-lfs\.github|www\.w3|slsa)\.(com|org|dev)$/;

/** After `//` any name is a host; elsewhere only names with endings that no property or file has. */
const HOST_PATTERNS = [
  /\/\/((?:[a-z0-9-]+\.)+[a-z]{2,})/g,
  /(?<![\w./-])((?:[a-z0-9-]+\.)+(?:com|org))(?![\w-])/g,
];

/** A line of a Go import block: module names begin with the name of a host. */
const GO_IMPORT = /^\t([a-z][a-z0-9]* )?"[a-z0-9.-]+(\/[A-Za-z0-9._-]+)+"$/;

/** The table of hosts that rules for public services stand for. */
const PUBLIC_SERVICES = 'src/adapters/presets/public-services.ts';

/** The project names no hosts, and registries least of all: those are the user's configuration. */
export const noForeignHosts: Rule = {
  name: 'no-foreign-hosts',
  find: (project) =>
    eachLine(project, (line, path) => {
      if (path === 'package-lock.json' || /\.(sum|mod)$/.test(path)) return undefined;
      if (path.endsWith('.go') && GO_IMPORT.test(line)) return undefined;
      if (path === PUBLIC_SERVICES) return undefined;
      const hosts = HOST_PATTERNS.flatMap((pattern) => [...line.matchAll(pattern)]).map(
        (match) => match[1] ?? '',
      );
      const bad = hosts.find((host) => !HARMLESS_HOST.test(host));
      return bad ? `names the host "${bad}"` : undefined;
    }),
};

/** The project names no path of the machine that it is written on. */
export const noLocalPaths: Rule = {
  name: 'no-local-paths',
  find(project) {
    const own = [project.root, homedir()].filter((path) => path.split('/').length > 2);
    return eachLine(project, (line) =>
      own.some((path) => line.includes(path)) ? 'names a path of this machine' : undefined,
    );
  },
};

function eachLine(project: Project, judge: (line: string, path: string) => string | undefined): Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of project.texts) {
    for (const [index, line] of text.split('\n').entries()) {
      const message = judge(line, path);
      if (message) findings.push({ path, line: index + 1, message });
    }
  }
  return findings;
}

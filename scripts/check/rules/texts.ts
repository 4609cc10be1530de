import { homedir } from 'node:os';
import { dirname } from 'node:path';
import type { Finding, Project, Rule } from '../project.ts';

/** Most lines of a file, tests too. */
const MAX_LINES = 400;

/** Small files. */
export const filesAreShort: Rule = {
  name: 'files-are-short',
  find: (project) =>
    [...project.texts]
      .filter(([path]) => /\.(ts|go|sh)$/.test(path))
      .map(([path, text]) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > MAX_LINES)
      .map(({ path, lines }) => ({ path, message: `has ${lines} lines; split it` })),
};

/** Folders that people read; others hold documents and what is generated. */
const READ_FOLDERS = /^(src|test|scripts|agent|host|bench)\//;

/** Most files of source in one folder; tests beside their source are not counted. */
const MAX_FOLDER_FILES = 22;

/** Small folders: a reader sees all of one at a glance. */
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

/** Most characters of a line of a comment; the formatter keeps code to the same. */
const MAX_COMMENT_WIDTH = 110;

/** A line that is all comment, in the languages where the formatter leaves it as it is. */
const COMMENT_LINE = /^\s*(\/\/|\/\*|\* |#)/;

/** Lines of comments wrap where code does. */
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

/** Folders and files are in kebab-case; Go has its own custom, and some names are given. */
export const namesAreKebabCase: Rule = {
  name: 'names-are-kebab-case',
  find: (project) =>
    [...project.sources.keys()]
      .filter((path) => !/^([a-z0-9-]+\/)*[a-z0-9-]+(\.test)?\.ts$/.test(path))
      .map((path) => ({ path, message: 'use kebab-case' })),
};

/** Work that was put off is written where work is planned, not in the source. */
export const nothingPutOff: Rule = {
  name: 'nothing-put-off',
  find: (project) =>
    eachLine(project, (line) =>
      /\b(TO\x44O|FIX\x4dE|XX\x58|HAC\x4b)\b/.test(line) ? 'finish it, or leave the remark out' : undefined,
    ),
};

/**
 * Names under these are no hosts that anything here would talk to: documentation, standards, reserved by RFC
 * 2606, module names.
 */
const HARMLESS_HOST =
  /^(.*\.)?(example|example\.(com|org|net)|localhost|invalid|test|vm)$|^(keepachangelog|semver|no-color|banger|golang)\.(com|org|dev)$/;

/** Behind `//` any name is a host; elsewhere only the endings that no property or file has. */
const HOST_PATTERNS = [
  /\/\/((?:[a-z0-9-]+\.)+[a-z]{2,})/g,
  /(?<![\w./-])((?:[a-z0-9-]+\.)+(?:com|org))(?![\w-])/g,
];

/** A line of a Go import block: the name of a module begins with that of a host. */
const GO_IMPORT = /^\t([a-z]+ )?"[a-z0-9.-]+(\/[A-Za-z0-9._-]+)+"$/;

/** Hosts are the user's configuration: none is written into the project, registries least of all. */
export const noForeignHosts: Rule = {
  name: 'no-foreign-hosts',
  find: (project) =>
    eachLine(project, (line, path) => {
      if (path === 'package-lock.json' || /\.(sum|mod)$/.test(path)) return undefined;
      if (path.endsWith('.go') && GO_IMPORT.test(line)) return undefined;
      const hosts = HOST_PATTERNS.flatMap((pattern) => [...line.matchAll(pattern)]).map(
        (match) => match[1] ?? '',
      );
      const bad = hosts.find((host) => !HARMLESS_HOST.test(host));
      return bad ? `names the host "${bad}"` : undefined;
    }),
};

/** No path of the machine at hand. */
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

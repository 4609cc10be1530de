import type { Finding, Project, Rule, SourceFile } from '../project.ts';
import { resolveImport } from '../project.ts';

/** Layers of `src/`, and which other layers each may import. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  protocol: ['base'],
  config: ['base', 'protocol'],
  core: ['base', 'protocol'],
  adapters: ['base', 'protocol', 'core'],
  daemon: ['base', 'protocol', 'config', 'core', 'adapters'],
  helper: ['base', 'protocol'],
  sdk: ['base', 'protocol'],
  cli: ['base', 'protocol', 'config', 'sdk'],
};

/** The only file that constructs adapters. */
const COMPOSE = 'src/daemon/compose.ts';

/** A file imports only from the layers below its own; type-only imports count. */
export const layerOrder: Rule = {
  name: 'layer-order',
  find: (project) =>
    eachEdge(project, (from, to, line) => {
      const [own, other] = [layerOf(from.path), layerOf(to.path)];
      if (own === other || MAY_IMPORT[own]?.includes(other)) return undefined;
      return { line, message: `${own} may not import ${other} ("${to.path}")` };
    }),
};

/** An adapter (a folder of `src/adapters/`) never imports another. */
export const adaptersApart: Rule = {
  name: 'adapters-apart',
  find: (project) =>
    eachEdge(project, (from, to, line) => {
      const [own, other] = [adapterOf(from.path), adapterOf(to.path)];
      if (!own || !other || own === other) return undefined;
      return { line, message: `adapter "${own}" may not import adapter "${other}" ("${to.path}")` };
    }),
};

/** Only the daemon's composition root imports adapters. */
export const onlyComposeImportsAdapters: Rule = {
  name: 'only-compose-imports-adapters',
  find: (project) =>
    eachEdge(project, (from, to, line) => {
      if (adapterOf(from.path) || !adapterOf(to.path)) return undefined;
      if (from.path === COMPOSE || from.isTest || layerOf(from.path) !== 'daemon') return undefined;
      return { line, message: `only ${COMPOSE} may import an adapter ("${to.path}")` };
    }),
};

/** Shipped code imports nothing from outside of `src/`. */
export const productStandsAlone: Rule = {
  name: 'product-stands-alone',
  find(project) {
    const findings: Finding[] = [];
    for (const file of project.sources.values()) {
      if (file.isTest || !file.path.startsWith('src/')) continue;
      for (const taken of file.imports) {
        const to = resolveImport(project, file, taken);
        if (!to || (to.path.startsWith('src/') && !to.isTest)) continue;
        const message = `the product may not import "${to.path}"`;
        findings.push({ path: file.path, line: taken.line, message });
      }
    }
    return findings;
  },
};

/** Our Go modules are domains of trust: the one that runs as root contains no code of the others. */
export const goModulesApart: Rule = {
  name: 'go-modules-apart',
  find(project) {
    const findings: Finding[] = [];
    for (const [path, text] of project.texts) {
      const own = /^(agent|host|root)\/.*(\.go|go\.mod)$/.exec(path)?.[1];
      if (own === undefined) continue;
      for (const [index, line] of text.split('\n').entries()) {
        const other: string = /\bbanger\.dev\/(agent|host|root)\b/.exec(line)?.[1] ?? own;
        const isReplaced = path.endsWith('go.mod') && /^\s*(replace\b|.*=>)/.test(line);
        if (other === own && !isReplaced) continue;
        findings.push({ path, line: index + 1, message: `the Go module ${own} stands alone` });
      }
    }
    return findings;
  },
};

/** Every file of `src/` is in a layer of the table above. */
export const knownLayers: Rule = {
  name: 'known-layers',
  find(project) {
    const inSrc = [...project.sources.values()].filter((file) => file.path.startsWith('src/'));
    return inSrc
      .filter((file) => !(layerOf(file.path) in MAY_IMPORT))
      .map(({ path }) => ({ path, message: 'is in no known layer of src/' }));
  },
};

function eachEdge(
  project: Project,
  judge: (from: SourceFile, to: SourceFile, line: number) => Pick<Finding, 'line' | 'message'> | undefined,
): Finding[] {
  const findings: Finding[] = [];
  for (const file of project.sources.values()) {
    if (!file.path.startsWith('src/')) continue;
    for (const taken of file.imports) {
      const to = resolveImport(project, file, taken);
      if (!to?.path.startsWith('src/')) continue;
      const judged = judge(file, to, taken.line);
      if (judged) findings.push({ path: file.path, ...judged });
    }
  }
  return findings;
}

function layerOf(path: string): string {
  return path.split('/')[1] ?? '';
}

function adapterOf(path: string): string | undefined {
  return /^src\/adapters\/([^/]+)\//.exec(path)?.[1];
}

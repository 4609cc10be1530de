import { type Finding, type Project, packageOf, type Rule, resolveImport } from '../project.ts';

/** Every relative import names an existing file, with its extension. */
export const importsResolve: Rule = {
  name: 'imports-resolve',
  find: (project) =>
    [...project.sources.values()].flatMap((file) =>
      file.imports
        .filter((taken) => taken.specifier.startsWith('.') && !resolveImport(project, file, taken))
        .map(({ line, specifier }) => ({
          path: file.path,
          line,
          message: `"${specifier}" is no TypeScript file of the project`,
        })),
    ),
};

/** No default exports: everything has one name everywhere. */
export const noDefaultExports: Rule = {
  name: 'no-default-exports',
  find: (project) =>
    [...project.sources.values()].flatMap((file) =>
      file.defaultExportLines.map((line) => ({
        path: file.path,
        line,
        message: 'export it by name',
      })),
    ),
};

/** No barrels: no file that only re-exports, and no `export *`. */
export const noBarrels: Rule = {
  name: 'no-barrels',
  find(project) {
    const findings: Finding[] = [];
    for (const { path, imports, exports } of project.sources.values()) {
      const passedOn = imports.filter((taken) => taken.isReExport);
      const star = passedOn.find((taken) => taken.names.includes('*'));
      const onlyPassesOn = passedOn.length > 0 && exports.every((given) => given.kind === 'list');
      const line = star?.line ?? passedOn[0]?.line;
      if (line === undefined || !(star || onlyPassesOn)) continue;
      findings.push({ path, line, message: 'import from where it is declared' });
    }
    return findings;
  },
};

/** `import()` takes a plain string, so that these checks and the bundler can resolve it. */
export const noComputedImports: Rule = {
  name: 'no-computed-imports',
  find: (project) =>
    [...project.sources.values()]
      .filter((file) => file.path.startsWith('src/'))
      .flatMap((file) =>
        file.computedImportLines.map((line) => ({
          path: file.path,
          line,
          message: 'import() needs a plain string',
        })),
      ),
};

/** No import cycles; type-only imports count. */
export const noCycles: Rule = {
  name: 'no-cycles',
  find(project) {
    const findings: Finding[] = [];
    const state = new Map<string, 'open' | 'done'>();
    const trail: string[] = [];
    const visit = (path: string): void => {
      state.set(path, 'open');
      trail.push(path);
      const file = project.sources.get(path);
      for (const taken of file?.imports ?? []) {
        const to = file && resolveImport(project, file, taken);
        if (!to) continue;
        if (state.get(to.path) === 'open') {
          const cycle = [...trail.slice(trail.indexOf(to.path)), to.path].join(' -> ');
          findings.push({ path, line: taken.line, message: cycle });
        } else if (!state.has(to.path)) visit(to.path);
      }
      trail.pop();
      state.set(path, 'done');
    };
    for (const path of project.sources.keys()) if (!state.has(path)) visit(path);
    return findings;
  },
};

/**
 * Only schema files and tests import zod, and nothing that the command line loads imports those: zod would
 * slow down its start.
 */
export const zodStaysInSchemas: Rule = {
  name: 'zod-stays-in-schemas',
  find(project) {
    const findings: Finding[] = [];
    for (const file of project.sources.values()) {
      if (!/^src\/(protocol|cli|sdk|base)\//.test(file.path) || isFreeToImportZod(file.path)) continue;
      const taken = file.imports.find((one) => packageOf(one.specifier) === 'zod');
      if (!taken) continue;
      const message = 'only schema files (*-schema.ts, *-schemas.ts, schemas.ts) import zod';
      findings.push({ path: file.path, line: taken.line, message });
    }
    return findings;
  },
};

/**
 * zod is imported as a namespace, of which the bundler keeps what is used. With the object `z` it keeps all
 * of zod, with its texts in forty languages.
 */
export const zodIsTakenInParts: Rule = {
  name: 'zod-is-taken-in-parts',
  find: (project) =>
    [...project.sources.values()].flatMap(({ path, imports }) =>
      imports
        .filter(
          (taken) => packageOf(taken.specifier) === 'zod' && !taken.isTypeOnly && taken.names.includes('z'),
        )
        .map(({ line }) => ({ path, line, message: "write: import * as z from 'zod'" })),
    ),
};

/** The command line's program never loads zod, not even lazily. */
export const cliIsFreeOfZod: Rule = {
  name: 'cli-is-free-of-zod',
  find(project) {
    const trail = wayTo(project, { entry: 'src/cli/main.ts', isGoal: (taken) => packageOf(taken) === 'zod' });
    if (!trail) return [];
    return [{ path: trail[0] as string, message: trail.join(' -> ') }];
  },
};

/** What takes 0.5 to 3 ms to load; together they are a quarter of the time of a command that needs none. */
const SLOW_TO_LOAD = [
  ...['node:child_process', 'node:crypto', 'node:http', 'node:net', 'node:stream', 'node:zlib'],
  ...['smol-toml', 'base/json-schema/build.ts'],
];

/** Each command loads what it needs when it runs; what all commands share loads nothing slow. */
export const cliStartsLight: Rule = {
  name: 'cli-starts-light',
  find(project) {
    const isGoal = (taken: string): boolean =>
      SLOW_TO_LOAD.some((slow) => taken === slow || taken.endsWith(`/${slow}`));
    const trail = wayTo(project, { entry: 'src/cli/main.ts', isGoal, isAtStart: true });
    if (!trail) return [];
    const message = `load it with import() where it is used: ${trail.join(' -> ')}`;
    return [{ path: trail[0] as string, message }];
  },
};

function isFreeToImportZod(path: string): boolean {
  return /(^|[/-])schemas?\.ts$|\.test\.ts$/.test(path);
}

/** The shortest way from `entry` to an import that `isGoal`; `isAtStart`: import() is no way. */
function wayTo(
  project: Project,
  { entry, isGoal, isAtStart }: { entry: string; isGoal: (taken: string) => boolean; isAtStart?: boolean },
): string[] | undefined {
  const queue: string[][] = project.sources.has(entry) ? [[entry]] : [];
  const seen = new Set<string>([entry]);
  for (let trail = queue.shift(); trail; trail = queue.shift()) {
    const file = project.sources.get(trail.at(-1) as string);
    for (const taken of file?.imports ?? []) {
      if (taken.isTypeOnly || (isAtStart && taken.isDynamic) || !file) continue;
      if (isGoal(taken.specifier)) return [...trail, taken.specifier];
      const to = resolveImport(project, file, taken);
      if (!to || seen.has(to.path)) continue;
      seen.add(to.path);
      queue.push([...trail, to.path]);
    }
  }
  return undefined;
}

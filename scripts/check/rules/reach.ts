import type { Finding, Project, Rule, SourceFile } from '../project.ts';
import type { Token } from '../tokens.ts';

/** Built-in modules that the core may use, because they reach nothing outside of the process. */
const CORE_MAY_USE = new Set([
  'node:buffer',
  'node:crypto',
  'node:events',
  'node:path',
  'node:stream',
  'node:stream/promises',
  'node:timers',
  'node:timers/promises',
  'node:util',
]);

/** The core uses no file, socket, process or database directly: those are behind ports. */
export const coreIsPure: Rule = {
  name: 'core-is-pure',
  find: (project) =>
    product(project, 'src/core/').flatMap((file) =>
      file.imports
        .filter(({ specifier }) => !specifier.startsWith('.') && !CORE_MAY_USE.has(specifier))
        .map(({ line, specifier }) => ({
          path: file.path,
          line,
          message: `the core may not import "${specifier}"`,
        })),
    ),
};

/** A use case takes the few ports that it uses, never the daemon's whole `VmWorld`. */
export const useCasesTakeWhatTheyUse: Rule = {
  name: 'use-cases-take-what-they-use',
  find: (project) =>
    product(project, 'src/core/').flatMap((file) =>
      file.imports
        .filter(({ names }) => names.includes('VmWorld'))
        .map(({ line }) => ({
          path: file.path,
          line,
          message: 'take the parts of VmWorld that are used (`Vms`, `VmHost`, …), not all of it',
        })),
    ),
};

/** Only `src/base/process/exec.ts` starts processes. */
export const onlyExecStartsProcesses: Rule = {
  name: 'only-exec-starts-processes',
  find: (project) =>
    product(project, 'src/')
      .filter((file) => file.path !== 'src/base/process/exec.ts')
      .flatMap((file) =>
        file.imports
          .filter(({ specifier }) => /^(node:)?(child_process|cluster|worker_threads)$/.test(specifier))
          .map(({ line, specifier }) => ({
            path: file.path,
            line,
            message: `only src/base/process/exec.ts may import "${specifier}"`,
          })),
      ),
};

/** Only `src/config/settings.ts` reads the environment. */
export const onlySettingsReadsEnvironment: Rule = {
  name: 'only-settings-reads-environment',
  find: (project) =>
    product(project, 'src/')
      .filter((file) => file.path !== 'src/config/settings.ts')
      .flatMap((file) => {
        const imported = file.imports
          .filter(({ specifier, names }) => /^(node:)?process$/.test(specifier) && names.includes('env'))
          .map(({ line }) => line);
        return [...sequence(file.tokens, ['process', '.', 'env']), ...imported].map((line) => ({
          path: file.path,
          line,
          message: 'read it in src/config/settings.ts and pass the value on',
        }));
      }),
};

/** Only `src/config/` knows the folders below which ours are. */
export const onlyConfigNamesFolders: Rule = {
  name: 'only-config-names-folders',
  find: (project) =>
    product(project, 'src/')
      .filter((file) => !file.path.startsWith('src/config/'))
      .flatMap((file) =>
        file.tokens.filter(isFolderName).map(({ line, text }) => ({
          path: file.path,
          line,
          message: `"${text}" belongs in src/config/paths.ts or settings.ts`,
        })),
      ),
};

/** Words of the product, which the base layer must not know. */
const PRODUCT_WORD =
  /^(banger|bangerd|vms?|vmm|qemu|firecracker|guests?|sandbox|workspaces?|kernels?|snapshots?)$/i;

/** `src/base/` could serve any program: its code contains no word of the product. */
export const baseHasNoProductWords: Rule = {
  name: 'base-has-no-product-words',
  find: (project) =>
    product(project, 'src/base/').flatMap((file) =>
      file.tokens
        .filter(({ kind, text }) => kind !== 'regex' && wordsOf(text).some((word) => PRODUCT_WORD.test(word)))
        .map(({ line, text }) => ({
          path: file.path,
          line,
          message: `"${text}" is a word of the product`,
        })),
    ),
};

/** Names of VMMs. */
const VMM_NAME = /^(qemu|firecracker)$/i;

/** The core knows VMMs by their drivers only; names of packages to install are data. */
export const coreNamesNoVmm: Rule = {
  name: 'core-names-no-vmm',
  find: (project) =>
    product(project, 'src/core/')
      .filter((file) => file.path !== 'src/core/rules/host-packages.ts')
      .flatMap((file) =>
        file.tokens
          .filter(({ kind, text }) => kind !== 'regex' && wordsOf(text).some((word) => VMM_NAME.test(word)))
          .map(({ line, text }) => ({
            path: file.path,
            line,
            message: `"${text}" names a VMM: ask its driver`,
          })),
      ),
};

/** An error is an `AppError` or an invariant; a bare `Error` is neither. */
export const noBareErrors: Rule = {
  name: 'no-bare-errors',
  find: (project) =>
    product(project, 'src/').flatMap((file) =>
      sequence(file.tokens, ['throw', 'new', 'Error']).map((line) => ({
        path: file.path,
        line,
        message: 'throw an AppError, or use invariant() for a bug',
      })),
    ),
};

/** Every exported function, class and constant has a doc comment. */
export const exportsAreDocumented: Rule = {
  name: 'exports-are-documented',
  find(project) {
    const findings: Finding[] = [];
    for (const file of product(project, 'src/')) {
      for (const { name, kind, hasDoc, line } of file.exports) {
        if (kind !== 'value' || hasDoc) continue;
        findings.push({ path: file.path, line, message: `"${name}" has no doc comment` });
      }
    }
    return findings;
  },
};

function product(project: Project, folder: string): SourceFile[] {
  return [...project.sources.values()].filter((file) => file.path.startsWith(folder) && !file.isTest);
}

/** Line numbers at which the tokens `texts` occur in sequence. */
function sequence(tokens: readonly Token[], texts: readonly string[]): number[] {
  return tokens
    .filter((_, at) =>
      texts.every((text, i) => tokens[at + i]?.text === text && tokens[at + i]?.kind !== 'string'),
    )
    .map(({ line }) => line);
}

function isFolderName({ kind, text }: Token): boolean {
  if (kind === 'word') return text === 'homedir' || text === 'tmpdir';
  if (kind !== 'string' && kind !== 'template') return false;
  return (
    /^XDG_[A-Z]+_(HOME|DIR)$/.test(text) || /^(~?\/)?\.(config|cache|local)(\/|$)|^\/run\/user/.test(text)
  );
}

function wordsOf(text: string): string[] {
  return text.replace(/([a-z0-9])([A-Z])/g, '$1 $2').split(/[^A-Za-z0-9]+/);
}

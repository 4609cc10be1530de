import type { OutputFile, Plugin } from 'esbuild';
import type { BuildInfo } from '../../src/protocol/build-info.ts';

/** One CommonJS file for each program: a bundle starts three times as fast as separate modules. */
export const PROGRAMS = {
  banger: 'src/cli/main.ts',
  bangerd: 'src/daemon/main.ts',
  'banger-receive': 'src/adapters/vmm/qemu/save/receive-main.ts',
} as const;

/** The bundles of all programs. */
export interface Bundles {
  /** named after their programs, with the ending `.cjs`; `path` is below `outDir` */
  files: OutputFile[];
  /** names of the npm packages that are inside, sorted */
  packages: string[];
}

/**
 * Commander loads node:child_process, and with it node:net, for subcommands that are separate programs. We
 * have none, and loading them is a tenth of the time that `banger --version` takes.
 */
const withoutChildProcess: Plugin = {
  name: 'without-child-process',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      /\/node_modules\/commander\//.test(importer) ? { path: 'nothing', namespace: 'nothing' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'nothing' }, () => ({ contents: 'export default {};' }));
  },
};

/**
 * The file with `?` for each character of its comments that is not ASCII; esbuild has escaped all others.
 * With one such character V8 keeps the whole source with two bytes for each.
 */
function inAscii(file: OutputFile): OutputFile {
  const text = file.text.replace(/[^\0-\x7f]/gu, '?');
  return { ...file, text, contents: new TextEncoder().encode(text) };
}

/**
 * Bundles the programs of the checkout at `root`; writes nothing. The same sources and `info` give the same
 * bytes, wherever the checkout is. Prints the errors of sources to stderr, and then rejects with esbuild's.
 */
export async function bundlePrograms(
  root: string,
  { info, outDir }: { info: BuildInfo; outDir: string },
): Promise<Bundles> {
  const { build } = await import('esbuild');
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: { ...PROGRAMS },
    outdir: outDir,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    define: { __BANGER_BUILD__: JSON.stringify(info) },
    plugins: [withoutChildProcess],
    legalComments: 'eof',
    logLevel: 'warning',
    metafile: true,
    write: false,
  });
  const packages = Object.keys(metafile.inputs).flatMap(
    (path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(path)?.[1] ?? [],
  );
  return { files: outputFiles.map(inAscii), packages: [...new Set(packages)].sort() };
}

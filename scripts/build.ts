import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Plugin } from 'esbuild';
import { neverAborts } from '../src/base/abort.ts';
import { isAppError, isErrno } from '../src/base/errors.ts';
import { writeFileAtomic } from '../src/base/files/atomic-file.ts';
import { exec } from '../src/base/process/exec.ts';
import type { BuildInfo } from '../src/protocol/build-info.ts';

/** One CommonJS file for each program: a bundle starts three times as fast as separate modules. */
const PROGRAMS = {
  banger: 'src/cli/main.ts',
  bangerd: 'src/daemon/main.ts',
  'banger-receive': 'src/adapters/vmm/qemu/save/receive-main.ts',
} as const;

/** Files outside of `src/` that affect the bundles. */
const OTHER_INPUTS = ['package.json', 'package-lock.json', 'scripts/build.ts'];

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');
const STAMP = join(DIST, 'inputs');

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

try {
  await build();
} catch (error) {
  // esbuild has already printed the errors of the sources.
  if (!(error instanceof Error && 'errors' in error)) throw error;
  process.exitCode = 1;
}

/** Bundles the programs into `dist/`, unless it already holds bundles of the same sources. */
async function build(): Promise<void> {
  const commit = (await git('log', '-1', '--format=%H', '--', 'src', ...OTHER_INPUTS)) || 'unknown';
  const inputs = `${await hashOfInputs()} ${commit}\n`;
  if ((await readOrNothing(STAMP)) === inputs && (await isComplete())) return;
  process.stderr.write('==> bundling\n');
  const info: BuildInfo = {
    version: (await git('describe', '--tags', '--exact-match')) || 'dev',
    commit,
    builtAt: new Date().toISOString(),
  };
  const { build: bundle } = await import('esbuild');
  const { outputFiles } = await bundle({
    absWorkingDir: ROOT,
    entryPoints: { ...PROGRAMS },
    outdir: 'dist',
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    define: { __BANGER_BUILD__: JSON.stringify(info) },
    plugins: [withoutChildProcess],
    legalComments: 'eof',
    logLevel: 'warning',
    write: false,
  });
  await mkdir(DIST, { recursive: true });
  for (const file of outputFiles) await writeFileAtomic(file.path, file.contents, { mode: 0o644 });
  await writeFileAtomic(STAMP, inputs, { mode: 0o644 });
}

async function hashOfInputs(): Promise<string> {
  const hash = createHash('sha256');
  const sources = (await readdir(join(ROOT, 'src'), { recursive: true }))
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .map((path) => join('src', path));
  for (const path of [...sources, ...OTHER_INPUTS].sort()) {
    const content = await readFile(join(ROOT, path));
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

async function isComplete(): Promise<boolean> {
  const names = await readdir(DIST);
  return Object.keys(PROGRAMS).every((program) => names.includes(`${program}.cjs`));
}

/** Output of a git command on the checkout; empty when it fails, because sources may come without git. */
async function git(...args: string[]): Promise<string> {
  try {
    const { stdout } = await exec(['git', '-C', ROOT, ...args], { signal: neverAborts() });
    return stdout.toString('utf8').trim();
  } catch (error) {
    if (isAppError(error, 'EXEC_FAILED', 'EXEC_NOT_FOUND')) return '';
    throw error;
  }
}

async function readOrNothing(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  }
}

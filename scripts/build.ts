import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { neverAborts } from '../src/base/abort.ts';
import { isAppError, isErrno } from '../src/base/errors.ts';
import { writeFileAtomic } from '../src/base/files/atomic-file.ts';
import { exec } from '../src/base/process/exec.ts';
import type { BuildInfo } from '../src/protocol/build-info.ts';
import { bundlePrograms, PROGRAMS } from './build/bundle.ts';

/** Files outside of `src/` that affect the bundles. */
const OTHER_INPUTS = ['package.json', 'package-lock.json', 'scripts/build.ts', 'scripts/build/bundle.ts'];

const ROOT = join(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');
const STAMP = join(DIST, 'inputs');

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
  const { files } = await bundlePrograms(ROOT, { info, outDir: 'dist' });
  await mkdir(DIST, { recursive: true });
  for (const file of files) await writeFileAtomic(file.path, file.contents, { mode: 0o644 });
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

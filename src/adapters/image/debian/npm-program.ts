import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import { exec } from '../../../base/process/exec.ts';
import type { NpmProgram } from './recipe.ts';

/** Where and how {@link fetchNpmProgram} works. */
export interface FetchOptions extends Abortable {
  /** folder for the tarball and the program; created when missing */
  dir: string;
  /** the user's own environment, from which npm takes its registry, proxy and certificates */
  env: NodeJS.ProcessEnv;
}

/**
 * Downloads an npm package and extracts a program from it. npm knows the user's registry and compares the
 * tarball with the registry's hash; then this function compares it with the recipe's. Runs no script of the
 * package. Leaves the program in `dir` under its final name.
 *
 * @throws {AppError} IMAGE_CHECKSUM_MISMATCH when the tarball differs from the recipe's, EXEC_FAILED when npm
 * fails.
 */
export async function fetchNpmProgram(
  program: NpmProgram,
  { dir, env, signal }: FetchOptions,
): Promise<string> {
  await mkdir(dir, { recursive: true });
  const argv = [
    'npm',
    'pack',
    program.package,
    '--json',
    '--ignore-scripts',
    '--pack-destination',
    dir,
  ] as const;
  const { stdout } = await exec(argv, { cwd: dir, env, signal });
  const { filename, integrity } = parsePacked(stdout.toString(), program.package);
  const tarball = join(dir, filename);
  const actual = await sha512Of(tarball, signal);
  for (const wanted of [program.integrity, integrity]) {
    if (wanted !== actual) throw mismatch(program.package, { wanted, actual });
  }
  const depth = program.pathInTarball.split('/').length - 1;
  const place = ['--directory', dir, '--no-same-owner', `--strip-components=${depth}`];
  await exec(['tar', '--extract', '--gzip', '--file', tarball, ...place, program.pathInTarball], {
    env,
    signal,
  });
  return join(dir, basename(program.pathInTarball));
}

/** Parses the output of `npm pack --json`: the file it wrote, and the registry's hash of it. */
export function parsePacked(text: string, spec: string): { filename: string; integrity: string } {
  const value = parseJson(text);
  const first: unknown = Array.isArray(value) ? value[0] : undefined;
  if (typeof first === 'object' && first !== null && 'filename' in first && 'integrity' in first) {
    const { filename, integrity } = first;
    // Before version 9, npm prints "@scope/name-1.tgz"; the file on disk has no folder.
    if (typeof filename === 'string' && typeof integrity === 'string') {
      return { filename: filename.replace(/^@/, '').replaceAll('/', '-'), integrity };
    }
  }
  throw new AppError('IMAGE_BUILD_FAILED', `Cannot get "${spec}": npm's output has an unknown form`, {
    hint: 'use npm 9 or later',
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function sha512Of(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha512');
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash, { signal });
  return `sha512-${hash.digest('base64')}`;
}

function mismatch(spec: string, details: { wanted: string; actual: string }): AppError {
  return new AppError(
    'IMAGE_CHECKSUM_MISMATCH',
    `Cannot use the npm package "${spec}": its hash differs from the recipe's`,
    {
      hint: 'check which registry npm uses: npm config get registry',
      details: { package: spec, ...details },
    },
  );
}

import { resolve } from 'node:path';
import { AppError } from '../../base/errors.ts';
import type { BuildDockerfileRequest } from '../../protocol/api/image.ts';
import { checkPlainImageName } from '../../protocol/image/image-ref.ts';

/** The options of `image build` that concern a Dockerfile. */
export interface DockerfileOptions {
  file?: string | undefined;
  buildArg: readonly string[];
  secret: readonly string[];
  target?: string | undefined;
  name?: string | undefined;
  nat: boolean;
  noCache: boolean;
}

/** Whether a command line means a Dockerfile, and not an image that banger builds itself. */
export function meansDockerfile(given: string | undefined, { file }: DockerfileOptions): boolean {
  return file !== undefined || (given !== undefined && (given === '.' || given.includes('/')));
}

/**
 * Refuses what only counts for a Dockerfile.
 *
 * @throws {AppError} USAGE_OPTIONS
 */
export function requireDockerfile(options: DockerfileOptions & { kernelRef?: string | undefined }): void {
  const given = [
    ...(options.name === undefined ? [] : ['--name']),
    ...(options.buildArg.length > 0 ? ['--build-arg'] : []),
    ...(options.target === undefined ? [] : ['--target']),
    ...(options.secret.length > 0 ? ['--secret'] : []),
    ...(options.nat ? ['--nat'] : []),
    ...(options.noCache ? ['--no-cache'] : []),
    ...(options.kernelRef === undefined ? [] : ['--kernel-ref']),
  ];
  if (given.length === 0) return;
  throw new AppError('USAGE_OPTIONS', `Cannot use ${given.join(', ')} without a Dockerfile`, {
    hint: 'give its folder, or the file with -f: banger image build -f Dockerfile .',
    details: { fields: given },
  });
}

/**
 * The request for a build; relative paths are relative to `cwd`. A build argument without a value has that
 * of the environment, as with other tools.
 *
 * @throws {AppError} USAGE_OPTION_VALUE, IMAGE_NAME_INVALID.
 */
export function buildRequest(
  given: string | undefined,
  options: DockerfileOptions,
  { cwd, env }: { cwd: string; env: Readonly<Record<string, string | undefined>> },
): BuildDockerfileRequest {
  if (options.file === '') throw badValue('file', '', { want: 'a file' });
  if (options.target === '') throw badValue('target', '', { want: 'a stage' });
  const context = resolve(cwd, given ?? '.');
  const dockerfile = options.file === undefined ? resolve(context, 'Dockerfile') : resolve(cwd, options.file);
  const buildArgs = options.buildArg.flatMap((text) => buildArg(text, env));
  const secrets = options.secret.map((text) => secretOf(text, cwd));
  const { target, nat, noCache } = options;
  return {
    dockerfile,
    context,
    name: checkPlainImageName(options.name ?? nameOfFolder(context)),
    ...(buildArgs.length > 0 ? { buildArgs } : {}),
    ...(secrets.length > 0 ? { secrets } : {}),
    ...(target === undefined ? {} : { target }),
    ...(nat ? { nat } : {}),
    ...(noCache ? { noCache } : {}),
  };
}

function nameOfFolder(context: string): string {
  const name = context.split('/').at(-1) ?? '';
  return name.toLowerCase().replace(/[^a-z0-9._-]+/g, '-');
}

function buildArg(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): { name: string; value: string }[] {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)(?:=(.*))?$/s.exec(text) ?? [];
  if (name === undefined) {
    throw badValue('build-arg', text, { want: 'NAME=VALUE' });
  }
  const found = value ?? env[name];
  return found === undefined ? [] : [{ name, value: found }];
}

function secretOf(text: string, cwd: string): { id: string; path: string } {
  const want = 'id=NAME,src=FILE';
  let id: string | undefined;
  let path: string | undefined;
  for (const field of text.split(',')) {
    const [key = '', ...rest] = field.split('=');
    const value = rest.join('=');
    if (key === 'id') id = value;
    else if (key === 'src' || key === 'source') path = value;
    else if (key !== 'type' || value !== 'file') throw badValue('secret', text, { want });
  }
  if (id === undefined || !/^[A-Za-z0-9._-]{1,128}$/.test(id)) throw badValue('secret', text, { want });
  return { id, path: resolve(cwd, path === undefined || path === '' ? id : path) };
}

function badValue(option: string, value: string, { want }: { want: string }): AppError {
  return new AppError('USAGE_OPTION_VALUE', `Cannot use "${value}" for --${option}: it is not ${want}`, {
    hint: `--${option} ${want}`,
    details: { field: option, value },
  });
}

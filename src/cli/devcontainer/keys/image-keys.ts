import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { isAppError, isErrno, messageOf } from '../../../base/errors.ts';
import type { JsonValue } from '../../../base/text/jsonc.ts';
import { parseImageRef } from '../../../protocol/image/image-ref.ts';
import { type DockerfileBuild, isWithin } from '../config.ts';
import {
  type ConfigFields,
  type ConfigPlace,
  isObject,
  type KeyReader,
  type KeyVerdict,
  notSupported,
  overridden,
  refused,
  taken,
  textsOf,
} from './key.ts';

const ARGUMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Keys of `build` that mean something here. */
const BUILD_KEYS = ['dockerfile', 'dockerFile', 'context', 'args', 'target'];

/** The keys that say what the VM boots. */
export const IMAGE_KEYS: Readonly<Record<string, KeyReader>> = {
  image: (value, _place, fields) => {
    if (hasDockerfile(fields)) return overridden('the Dockerfile is built');
    if (typeof value !== 'string' || value.trim() === '') return refused('it must be the name of an image');
    try {
      parseImageRef(value);
      return taken({ image: value });
    } catch (error) {
      if (!isAppError(error)) throw error;
      return refused(messageOf(error));
    }
  },
  build: (value, place) => (isObject(value) ? buildVerdict(value, place) : refused('it must be an object')),
  // The older form, which has the keys of "build" beside it.
  dockerFile: (value, place, { context, build }) =>
    isObject(build)
      ? overridden('"build" counts')
      : buildVerdict({ dockerfile: value, ...(context === undefined ? {} : { context }) }, place),
  context: (_value, _place, { dockerFile, build }) =>
    dockerFile === undefined || isObject(build)
      ? notSupported('it belongs to dockerFile; that of a build is build.context')
      : taken({}),
};

/** Whether a file says what to boot. */
export function namesSystem(fields: ConfigFields): boolean {
  return fields['image'] !== undefined || hasDockerfile(fields);
}

function hasDockerfile({ build, dockerFile }: ConfigFields): boolean {
  return build !== undefined || dockerFile !== undefined;
}

function buildVerdict(fields: ConfigFields, place: ConfigPlace): KeyVerdict {
  const { context = '.', args, target } = fields;
  const named = fields['dockerfile'] ?? fields['dockerFile'];
  if (typeof named !== 'string') return refused('dockerfile must be the path of a Dockerfile');
  if (typeof context !== 'string') return refused('context must be the path of a folder');
  if (target !== undefined && (typeof target !== 'string' || target === '')) {
    return refused('target must be the name of a stage');
  }
  const values = args === undefined ? {} : textsOf(args);
  if (!values || !Object.keys(values).every((name) => ARGUMENT_NAME.test(name))) {
    return refused('args must be an object of texts');
  }
  const dockerfile = insideOf(place, named, 'dockerfile');
  if ('status' in dockerfile) return dockerfile;
  const folder = insideOf(place, context, 'context');
  if ('status' in folder) return folder;
  const build: DockerfileBuild = {
    dockerfile: dockerfile.path,
    context: folder.path,
    args: values,
    ...(target === undefined ? {} : { target }),
  };
  const others = Object.keys(fields).filter((name) => !BUILD_KEYS.includes(name));
  if (others.length === 0) return taken({ build });
  return overridden(`not ${others.join(', ')}: the cache is banger's own`, { build });
}

/** The real path of something in the working tree; symbolic links may lead nowhere else either. */
function insideOf(
  { configDir, repoRoot }: ConfigPlace,
  given: JsonValue & string,
  what: string,
): { path: string } | KeyVerdict {
  const path = resolve(configDir, given);
  const outside = refused(`${what} "${given}" is outside of the repository`);
  if (given.includes('\0') || !isWithin(repoRoot, path)) return outside;
  try {
    const real = realpathSync(path);
    return isWithin(realpathSync(repoRoot), real) ? { path: real } : outside;
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG')) throw error;
    return refused(`${what} "${given}" cannot be opened: ${messageOf(error)}`);
  }
}

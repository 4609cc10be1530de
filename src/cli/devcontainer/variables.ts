import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { JsonValue } from '../../base/text/jsonc.ts';

/** What the variables of a `devcontainer.json` stand for, those of the container excepted. */
export interface Places {
  /** the folder that the file is for, on this host */
  localWorkspaceFolder: string;
  /** its copy in the guest */
  containerWorkspaceFolder: string;
  devcontainerId: string;
}

/** Looks up a variable of an environment. */
export type Lookup = (name: string) => string | undefined;

const REFERENCE = /\$\{([^{}]*)\}/g;

/**
 * Replaces the variables in every text of `value`, but not in names of fields. Variables of the container
 * stay ({@link withContainerEnv}), and so does what is no variable of a `devcontainer.json`. What a variable
 * stands for is not looked at again.
 */
export function withVariables(value: JsonValue, places: Places, localEnv: Lookup): JsonValue {
  if (typeof value === 'string')
    return replace(value, (name, args) => known(name, args, { places, localEnv }));
  if (Array.isArray(value)) return value.map((one: JsonValue) => withVariables(one, places, localEnv));
  if (value === null || typeof value !== 'object') return value;
  const fields = Object.entries(value);
  return Object.fromEntries(fields.map(([name, one]) => [name, withVariables(one, places, localEnv)]));
}

/** Replaces `${containerEnv:NAME}` and `${containerEnv:NAME:default}`. */
export function withContainerEnv(text: string, containerEnv: Lookup): string {
  return replace(text, (name, args) => (name === 'containerEnv' ? fromEnv(args, containerEnv) : undefined));
}

/** Whether {@link withContainerEnv} would replace anything. */
export function needsContainerEnv(text: string): boolean {
  return /\$\{containerEnv:[^{}]+\}/.test(text);
}

/**
 * The id that the same folder and file always have on this host: 52 characters of 0-9 and a-v, as the
 * specification wants it.
 */
export function devcontainerIdOf(localWorkspaceFolder: string, file: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([localWorkspaceFolder, file]))
    .digest('hex');
  return BigInt(`0x${hash}`).toString(32).padStart(52, '0');
}

function replace(
  text: string,
  resolve: (name: string, args: readonly string[]) => string | undefined,
): string {
  return text.replace(REFERENCE, (whole, inner: string) => {
    const [name = '', ...args] = inner.split(':');
    return resolve(name, args) ?? whole;
  });
}

function known(
  name: string,
  args: readonly string[],
  { places, localEnv }: { places: Places; localEnv: Lookup },
): string | undefined {
  switch (name) {
    case 'localEnv':
    case 'env':
      return fromEnv(args, localEnv);
    case 'localWorkspaceFolder':
    case 'containerWorkspaceFolder':
      return places[name];
    case 'localWorkspaceFolderBasename':
      return posix.basename(places.localWorkspaceFolder);
    case 'containerWorkspaceFolderBasename':
      return posix.basename(places.containerWorkspaceFolder);
    case 'devcontainerId':
      return places.devcontainerId;
    default:
      return undefined;
  }
}

/** A variable that is not set is its default, or empty. Without a name, it is no variable. */
function fromEnv([name = '', ...rest]: readonly string[], lookup: Lookup): string | undefined {
  return name === '' ? undefined : (lookup(name) ?? rest.join(':'));
}

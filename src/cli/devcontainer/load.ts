import { dirname, relative } from 'node:path';
import { AppError } from '../../base/errors.ts';
import { type JsonValue, parseJsonc } from '../../base/text/jsonc.ts';
import type { Environment } from '../../config/settings.ts';
import type { DevcontainerConfig } from './config.ts';
import { findConfig, invalidConfig } from './find-config.ts';
import { namesSystem } from './keys/image-keys.ts';
import { type ConfigFields, isObject } from './keys/key.ts';
import { guestPlaceOf } from './keys/workspace-keys.ts';
import { type KeyReport, readFields } from './read-fields.ts';
import { devcontainerIdOf, type Lookup, type Places, withVariables } from './variables.ts';

/** What the user says about a file. */
export interface LoadOptions {
  /** which of several */
  name?: string | undefined;
  /** keys that do not count */
  skipped: readonly string[];
  isInitializeAllowed: boolean;
  /** variables that the user gives to the guest: only these, and harmless ones, does `localEnv` name */
  givenEnv: Readonly<Record<string, string>>;
  /** of this process */
  env: Environment;
}

/** A `devcontainer.json`, read and checked. */
export interface Devcontainer {
  file: string;
  /** top of the working tree on this host */
  repoRoot: string;
  /** the folder that the file is for, on this host */
  localFolder: string;
  /** path of the file below `repoRoot` */
  shownFile: string;
  config: DevcontainerConfig;
  /** the working tree is copied to here */
  copyTo: string;
  /** hooks and commands start here */
  workspaceFolder: string;
  keys: readonly KeyReport[];
  /** variables of this shell that the file asks for and does not get */
  withheldEnv: readonly string[];
  /** Replaces variables in the metadata of its image as in the file itself. */
  withVariables(value: JsonValue): JsonValue;
}

/** Variables of this host that say nothing secret. */
const HARMLESS: ReadonlySet<string> = new Set([
  ...['HOME', 'USER', 'LOGNAME', 'SHELL', 'TERM', 'COLORTERM', 'TZ'],
  ...['LANG', 'LANGUAGE', 'LC_ALL', 'LC_CTYPE'],
]);

/**
 * Reads the configuration for a folder. Nothing of it runs, and nothing outside of the working tree is read.
 *
 * @throws {AppError} DEVCONTAINER_NOT_FOUND, DEVCONTAINER_AMBIGUOUS, DEVCONTAINER_INVALID; USAGE_OPTION_VALUE
 * for a key to skip that the file does not have.
 */
export function loadDevcontainer(path: string, options: LoadOptions): Devcontainer {
  const { skipped, isInitializeAllowed, env, givenEnv } = options;
  const { file, text, folder, repoRoot } = findConfig(path, options);
  const shownFile = relative(repoRoot, file);
  const all = fieldsOf(text, shownFile);
  requireKeys(skipped, all);
  const fields = Object.fromEntries(Object.entries(all).filter(([key]) => !skipped.includes(key)));
  const withheld = new Set<string>();
  const localEnv: Lookup = (name) => {
    const given = Object.hasOwn(givenEnv, name) ? givenEnv[name] : undefined;
    if (given !== undefined || HARMLESS.has(name)) return given ?? env[name];
    if (env[name] !== undefined) withheld.add(name);
    return undefined;
  };
  const devcontainerId = devcontainerIdOf(folder, shownFile);
  const guest = placeInGuest(fields, { folder, repoRoot, devcontainerId, localEnv });
  const { copyTo, workspaceFolder } = guest;
  const places: Places = {
    localWorkspaceFolder: folder,
    containerWorkspaceFolder: workspaceFolder,
    devcontainerId,
  };
  const { workspaceFolder: _, workspaceMount: __, ...others } = fields;
  const known = withVariables(others, places, localEnv) as ConfigFields;
  const { config, keys } = readFields(known, { repoRoot, configDir: dirname(file), isInitializeAllowed });
  const ofPlace = Object.entries(guest.verdicts).map(([key, { status, note }]) => ({ key, status, note }));
  const left = skipped.map((key): KeyReport => {
    return { key, status: 'not supported', note: 'left out, as the command line says' };
  });
  const missing: KeyReport[] = namesSystem(fields)
    ? []
    : [{ key: 'image', status: 'refused', note: 'it names neither an image nor a Dockerfile' }];
  return {
    ...{ file, repoRoot, localFolder: folder, shownFile, config, copyTo, workspaceFolder },
    keys: inOrder([...keys, ...ofPlace, ...left, ...missing], Object.keys(all)),
    withheldEnv: [...withheld].sort(),
    withVariables: (value) => withVariables(value, places, localEnv),
  };
}

/**
 * Throws when a VM cannot be made from a file.
 *
 * @throws {AppError} DEVCONTAINER_REFUSED with all keys that keep it from that.
 */
export function requireRunnable({ shownFile, keys }: Devcontainer): void {
  const refused = keys.filter(({ status }) => status === 'refused');
  if (refused.length === 0) return;
  const reasons = refused.map(({ key, note }) => `${key}: ${note}`);
  throw new AppError('DEVCONTAINER_REFUSED', `Cannot use "${shownFile}": ${reasons.join('; ')}`, {
    hint: `see all keys with: banger devcontainer check; leave one out with --devcontainer-skip ${refused[0]?.key}`,
    details: { keys: refused },
  });
}

function fieldsOf(text: string, shownFile: string): ConfigFields {
  const parsed = parseJsonc(text);
  if ('problem' in parsed) throw invalidConfig(shownFile, parsed.problem);
  if (isObject(parsed.value)) return parsed.value;
  throw invalidConfig(shownFile, 'it is not an object');
}

function requireKeys(skipped: readonly string[], fields: ConfigFields): void {
  const [unknown] = skipped.filter((key) => !Object.hasOwn(fields, key));
  if (unknown === undefined) return;
  throw new AppError('USAGE_OPTION_VALUE', `Cannot leave out "${unknown}": the file has no such key`, {
    hint: `its keys: ${Object.keys(fields).slice(0, 40).join(', ')}`,
    details: { value: unknown },
  });
}

/** Their own values may only name what is known without them. */
function placeInGuest(
  { workspaceFolder, workspaceMount }: ConfigFields,
  {
    folder,
    repoRoot,
    devcontainerId,
    localEnv,
  }: { folder: string; repoRoot: string; devcontainerId: string; localEnv: Lookup },
) {
  const early = guestPlaceOf({ folder, repoRoot });
  const places = {
    localWorkspaceFolder: folder,
    containerWorkspaceFolder: early.workspaceFolder,
    devcontainerId,
  };
  const resolved = (value: JsonValue | undefined): JsonValue | undefined =>
    value === undefined ? undefined : withVariables(value, places, localEnv);
  return guestPlaceOf({
    workspaceFolder: resolved(workspaceFolder),
    workspaceMount: resolved(workspaceMount),
    folder,
    repoRoot,
  });
}

function inOrder(keys: readonly KeyReport[], order: readonly string[]): KeyReport[] {
  const place = new Map(order.map((key, at) => [key, at]));
  const of = ({ key }: KeyReport): number => place.get(key) ?? order.length;
  return [...keys].sort((one, other) => of(one) - of(other));
}

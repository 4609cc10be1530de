import { type JsonValue, parseJsonc } from '../../../base/text/jsonc.ts';
import { HOOK_NAMES } from '../config.ts';
import { isObject, textsOf } from '../keys/key.ts';
import type { FeatureMetadata, FeatureOptions } from './feature.ts';
import { readWishes } from './read-wishes.ts';

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Keys without effect: nothing starts an entrypoint, and mounts would be of a container engine. */
const IGNORED = ['entrypoint', 'mounts'];

/** Reads the text of a `devcontainer-feature.json`; returns what is wrong with it as a text. */
export function readFeatureMetadata(text: string): FeatureMetadata | string {
  const parsed = parseJsonc(text);
  if ('problem' in parsed) return parsed.problem;
  const { value: fields } = parsed;
  if (!isObject(fields)) return 'it is not an object';
  const { id, version = '', options = {}, containerEnv = {}, dependsOn = {}, installsAfter = [] } = fields;
  if (typeof id !== 'string' || !ID.test(id)) return 'id must be a name';
  if (typeof version !== 'string') return 'version must be a text';
  const defaults = defaultsOf(options);
  if (typeof defaults === 'string') return defaults;
  const env = textsOf(containerEnv);
  if (!env || !Object.entries(env).every(([name, one]) => VARIABLE.test(name) && isLine(one))) {
    return 'containerEnv must be an object of texts of one line';
  }
  const wishes = readWishes(dependsOn);
  if (typeof wishes === 'string') return `dependsOn: ${wishes}`;
  if (!isTexts(installsAfter)) return 'installsAfter must be a list of texts';
  return {
    id,
    version,
    defaults,
    containerEnv: env,
    dependsOn: wishes,
    installsAfter,
    hooks: Object.fromEntries(Object.entries(fields).filter(([key]) => isHook(key))),
    ignored: IGNORED.filter((key) => fields[key] !== undefined),
  };
}

function defaultsOf(options: JsonValue): FeatureOptions | string {
  if (!isObject(options)) return 'options must be an object';
  const defaults: [string, string][] = [];
  for (const [name, option] of Object.entries(options)) {
    if (!isObject(option)) return `options: "${name}" must be an object`;
    if (!/[A-Za-z0-9]/.test(name)) return `options: "${name}" cannot be the name of a variable`;
    const { default: value = '' } = option;
    const isValue = typeof value === 'string' || typeof value === 'boolean';
    if (!isValue || String(value).includes('\0')) return `options: the default of "${name}" must be a text`;
    defaults.push([name, String(value)]);
  }
  return Object.fromEntries(defaults);
}

function isHook(key: string): boolean {
  return HOOK_NAMES.some((name) => name === key);
}

function isLine(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they would end the line of a Dockerfile
  return !/[\0-\x08\x0a-\x1f]/.test(text);
}

function isTexts(value: JsonValue): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

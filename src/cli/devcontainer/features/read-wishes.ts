import type { JsonValue } from '../../../base/text/jsonc.ts';
import { isObject } from '../keys/key.ts';
import type { FeatureOptions, FeatureWish } from './feature.ts';

/** Most features of a file, and of one feature's `dependsOn`. */
const MAX_FEATURES = 64;
const MAX_OPTION_LENGTH = 4096;

/**
 * Reads what `features` of a file, or `dependsOn` of a feature, asks for; returns what is wrong with the
 * first bad entry as a text. A text as options is the value of the option `version`.
 */
export function readWishes(value: JsonValue): FeatureWish[] | string {
  if (!isObject(value)) return 'it must be an object with the options of each feature';
  const entries = Object.entries(value);
  if (entries.length > MAX_FEATURES) return `it has more than ${MAX_FEATURES} features`;
  const wishes: FeatureWish[] = [];
  for (const [ref, given] of entries) {
    const options = optionsOf(given);
    if (typeof options === 'string') return `"${ref}": ${options}`;
    wishes.push({ ref, options });
  }
  return wishes;
}

function optionsOf(value: JsonValue): FeatureOptions | string {
  if (value === true) return {};
  const fields = typeof value === 'string' ? { version: value } : value;
  if (!isObject(fields)) return 'its options must be an object, or a text: its version';
  const options: [string, string][] = [];
  for (const [name, one] of Object.entries(fields)) {
    const isValue = typeof one === 'string' || typeof one === 'boolean';
    if (!isValue) return `option "${name}" must be a text, true or false`;
    const text = String(one);
    if (text.includes('\0') || text.length > MAX_OPTION_LENGTH) {
      return `option "${name}" must have at most ${MAX_OPTION_LENGTH} characters, and no NUL`;
    }
    if (!/[A-Za-z0-9]/.test(name)) return `option "${name}" cannot be the name of a variable`;
    options.push([name, text]);
  }
  return Object.fromEntries(options);
}

import type { JsonValue } from '../../../base/text/jsonc.ts';
import type { DevcontainerConfig } from '../config.ts';

/**
 * What becomes of a key. `taken`: as it says; `overridden`: banger does it in another way, or another value
 * wins; `not supported`: it has no effect; `refused`: the VM cannot be made, unless the key is left out.
 */
export type KeyStatus = 'taken' | 'overridden' | 'not supported' | 'refused';

/** What became of one key, and why. */
export interface KeyVerdict {
  status: KeyStatus;
  /** a few words for people; empty when there is nothing to say */
  note: string;
  /** what the key adds to the configuration */
  adds?: Partial<DevcontainerConfig>;
}

/** Where a configuration comes from, for keys whose values are paths. */
export interface ConfigPlace {
  /** top of the working tree: files outside of it are not used */
  repoRoot: string;
  /** folder of the file: its paths are relative to that */
  configDir: string;
  /** the user lets its `initializeCommand` run on this host */
  isInitializeAllowed: boolean;
}

/** The configuration before variables are replaced in it: the keys of a file. */
export type ConfigFields = Readonly<Record<string, JsonValue>>;

/** Reads the value of one key. Pure, except that paths of files are looked up. */
export type KeyReader = (value: JsonValue, place: ConfigPlace, fields: ConfigFields) => KeyVerdict;

/** The verdict on a value that is used as it is. */
export function taken(adds: Partial<DevcontainerConfig>, note = ''): KeyVerdict {
  return { status: 'taken', note, adds };
}

/** The verdict on a value for which banger does something else. */
export function overridden(note: string, adds: Partial<DevcontainerConfig> = {}): KeyVerdict {
  return { status: 'overridden', note, adds };
}

/** The verdict on a value without effect. */
export function notSupported(note: string): KeyVerdict {
  return { status: 'not supported', note };
}

/** The verdict on a value that keeps the VM from being made. */
export function refused(note: string): KeyVerdict {
  return { status: 'refused', note };
}

/** Whether a value is an object. */
export function isObject(value: JsonValue | undefined): value is ConfigFields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The texts of an object by their names; `undefined` for anything else. `null` values are left out. */
export function textsOf(value: JsonValue): Record<string, string> | undefined {
  if (!isObject(value)) return undefined;
  const texts: [string, string][] = [];
  for (const [name, text] of Object.entries(value)) {
    if (text === null) continue;
    if (typeof text !== 'string') return undefined;
    texts.push([name, text]);
  }
  return Object.fromEntries(texts);
}

import { type DevcontainerConfig, emptyConfig, mergeConfigs } from './config.ts';
import { COMMAND_KEYS } from './keys/command-keys.ts';
import { ENVIRONMENT_KEYS } from './keys/environment-keys.ts';
import { FEATURE_KEYS } from './keys/feature-keys.ts';
import { IMAGE_KEYS } from './keys/image-keys.ts';
import {
  type ConfigFields,
  type ConfigPlace,
  type KeyReader,
  type KeyStatus,
  notSupported,
} from './keys/key.ts';
import { MACHINE_KEYS } from './keys/machine-keys.ts';
import { PORT_KEYS } from './keys/port-keys.ts';

/** What became of one key of a file. */
export interface KeyReport {
  key: string;
  status: KeyStatus;
  note: string;
}

/** All keys, except those about the place of the working tree. To add a key, add it to its list. */
const READERS: ReadonlyMap<string, KeyReader> = new Map(
  Object.entries({
    ...IMAGE_KEYS,
    ...ENVIRONMENT_KEYS,
    ...COMMAND_KEYS,
    ...PORT_KEYS,
    ...MACHINE_KEYS,
    ...FEATURE_KEYS,
  }),
);

/** Keys that the metadata of an image may have; of the others, those of the file alone count. */
const METADATA_KEYS: ReadonlySet<string> = new Set([
  ...[
    'onCreateCommand',
    'updateContentCommand',
    'postCreateCommand',
    'postStartCommand',
    'postAttachCommand',
  ],
  ...['containerEnv', 'remoteEnv', 'containerUser', 'remoteUser', 'forwardPorts', 'portsAttributes'],
]);

/** Reads the keys of a file. A key with a problem is reported, and adds nothing. */
export function readFields(
  fields: ConfigFields,
  place: ConfigPlace,
): { config: DevcontainerConfig; keys: KeyReport[] } {
  let config = emptyConfig();
  const keys: KeyReport[] = [];
  for (const [key, value] of Object.entries(fields)) {
    const reader = READERS.get(key);
    const {
      status,
      note,
      adds = {},
    } = reader?.(value, place, fields) ?? notSupported('banger does not know it');
    config = mergeConfigs(config, { ...emptyConfig(), ...adds });
    keys.push({ key, status, note });
  }
  return { config, keys };
}

/**
 * Reads one entry of the metadata of an image. It asks for nothing of this host; what it has no right to, or
 * what is no valid value, is left out.
 */
export function readMetadata(fields: ConfigFields): DevcontainerConfig {
  const own = Object.entries(fields).filter(([key]) => METADATA_KEYS.has(key));
  const place: ConfigPlace = { repoRoot: '/', configDir: '/', isInitializeAllowed: false };
  return readFields(Object.fromEntries(own), place).config;
}

import type { JsonValue } from '../../../base/text/jsonc.ts';
import { isObject, type KeyReader, notSupported, overridden, refused, taken, textsOf } from './key.ts';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** As the agent takes it: a name or a number, perhaps with a group. */
const USER = /^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/;

/** The keys that say how programs in the guest run. */
export const ENVIRONMENT_KEYS: Readonly<Record<string, KeyReader>> = {
  containerEnv: (value) => {
    const containerEnv = variablesOf(value);
    return containerEnv ? taken({ containerEnv }) : refused('it must be an object of texts');
  },
  remoteEnv: (value) => {
    const remoteEnv = variablesOf(value);
    if (!remoteEnv) return refused('it must be an object of texts');
    const removed = isObject(value) ? Object.keys(value).filter((name) => value[name] === null) : [];
    if (removed.length === 0) return taken({ remoteEnv });
    return overridden(`${removed.join(', ')}: not unset, if the image sets it`, { remoteEnv });
  },
  containerUser: (value) =>
    isUser(value)
      ? overridden('counts as remoteUser when there is none: the system itself runs as root', {
          containerUser: value,
        })
      : refused('it must be the name or number of a user'),
  remoteUser: (value) =>
    isUser(value) ? taken({ remoteUser: value }) : refused('it must be the name or number of a user'),
  updateRemoteUserUID: () => overridden('the working tree is a copy, and belongs to the user'),
  userEnvProbe: () =>
    overridden("commands get the image's variables and remoteEnv; a shell is a login shell"),
  overrideCommand: () => overridden('the VM has its own system; the program of the image is not started'),
  shutdownAction: () => overridden('the VM stays, except with --rm'),
  secrets: () => notSupported('give variables with -e NAME'),
  customizations: () => notSupported('banger starts no editor'),
  name: () => overridden('--name names the VM'),
  $schema: () => taken({}),
};

function isUser(value: JsonValue): value is string {
  return typeof value === 'string' && USER.test(value);
}

function variablesOf(value: JsonValue): Record<string, string> | undefined {
  const texts = textsOf(value);
  if (!texts) return undefined;
  return Object.entries(texts).every(([name, text]) => NAME.test(name) && !text.includes('\0'))
    ? texts
    : undefined;
}

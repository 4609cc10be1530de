import type { JsonValue } from '../../../base/text/jsonc.ts';
import { emptyConfig, HOOK_NAMES, type HookName, type Step, type StepCommand } from '../config.ts';
import { isObject, type KeyReader, overridden, refused, taken } from './key.ts';

const WANT = 'it must be a text, a list of texts, or an object of these';

/** The keys with commands: each a line for a shell, the words of a program, or several of these at once. */
export const COMMAND_KEYS: Readonly<Record<string, KeyReader>> = {
  ...Object.fromEntries(HOOK_NAMES.map((name) => [name, hookReader(name)])),
  initializeCommand: (value, { isInitializeAllowed }) => {
    const initialize = stepOf(value);
    if (initialize === undefined) return refused(WANT);
    if (initialize.length === 0) return taken({});
    if (isInitializeAllowed) return taken({ initialize }, 'runs on this host, as --initialize-command says');
    return refused('it would run on this host; --initialize-command allows that');
  },
  waitFor: (value) =>
    value === 'postCreateCommand' || value === 'postStartCommand'
      ? overridden('the command or shell begins after postStartCommand')
      : overridden('everything up to postStartCommand is waited for'),
};

function hookReader(name: HookName): KeyReader {
  return (value) => {
    const step = stepOf(value);
    if (step === undefined) return refused(WANT);
    return taken(step.length === 0 ? {} : { hooks: { ...emptyConfig().hooks, [name]: [step] } });
  };
}

/** The commands that a value means; none for an empty one; `undefined` for a value that means none. */
function stepOf(value: JsonValue): Step | undefined {
  if (value === null) return [];
  if (!isObject(value)) {
    const argv = argvOf(value);
    if (argv === undefined) return undefined;
    const [program, ...args] = argv;
    return program === undefined ? [] : [{ argv: [program, ...args] }];
  }
  const step: StepCommand[] = [];
  for (const [label, one] of Object.entries(value)) {
    const argv = argvOf(one);
    if (argv === undefined) return undefined;
    const [program, ...args] = argv;
    if (program !== undefined) step.push({ label, argv: [program, ...args] });
  }
  return step;
}

function argvOf(value: JsonValue): readonly string[] | undefined {
  if (typeof value === 'string') return value.trim() === '' ? [] : ['/bin/sh', '-c', value];
  if (!Array.isArray(value)) return undefined;
  return value.every((word): word is string => typeof word === 'string') ? value : undefined;
}

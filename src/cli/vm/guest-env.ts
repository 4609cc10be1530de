import { AppError } from '../../base/errors.ts';
import type { Environment } from '../../config/settings.ts';
import type { OptionDefinitions } from '../program/command.ts';

/** Option of every command that runs something in a guest. */
export const ENV_OPTION = {
  env: {
    type: 'list',
    short: 'e',
    value: 'NAME=VALUE',
    keepsBytes: true,
    summary: 'an environment variable; NAME alone takes ours; may be given several times',
  },
} as const satisfies OptionDefinitions;

/** Option of a command that runs something in one guest. */
export const WORKDIR_OPTION = {
  workdir: {
    type: 'value',
    short: 'w',
    value: 'folder',
    keepsBytes: true,
    summary: 'where the command starts, absolute',
    kind: 'other',
  },
} as const satisfies OptionDefinitions;

/**
 * The variables that {@link ENV_OPTION} names, a later one in place of an earlier one of the same name.
 *
 * @throws {AppError} USAGE_OPTION_VALUE
 */
export function environmentOf(given: readonly string[], ownEnv: Environment): Record<string, string> {
  const env: Record<string, string> = {};
  for (const text of given) {
    const [, name = '', value] = /^([^=]*)(?:=(.*))?$/s.exec(text) ?? [];
    if (name === '')
      throw badOption('--env', { value: text, why: 'the name is empty', hint: '--env NAME=VALUE' });
    const known = value ?? ownEnv[name];
    if (known === undefined) {
      throw badOption('--env', {
        value: text,
        why: 'there is no such variable here',
        hint: `--env ${name}=VALUE`,
      });
    }
    env[name] = known;
  }
  return env;
}

/**
 * The folder that {@link WORKDIR_OPTION} names.
 *
 * @throws {AppError} USAGE_OPTION_VALUE
 */
export function workdirOf(given: string | undefined): string | undefined {
  if (given === undefined || given.startsWith('/')) return given;
  throw badOption('--workdir', {
    value: given,
    why: 'it is not an absolute path',
    hint: 'give a path in the guest that starts with /',
  });
}

/** The error for an option's value that cannot be used. */
export function badOption(
  flag: string,
  { value, why, hint }: { value: string; why: string; hint: string },
): AppError {
  return new AppError('USAGE_OPTION_VALUE', `Cannot use "${value}" for ${flag}: ${why}`, {
    hint,
    details: { field: flag.slice(2), value },
  });
}

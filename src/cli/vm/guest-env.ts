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
    summary:
      'an environment variable; NAME alone takes its value from this shell; may be given several times',
  },
} as const satisfies OptionDefinitions;

/** Option of a command that runs something in one guest. */
export const WORKDIR_OPTION = {
  workdir: {
    type: 'value',
    short: 'w',
    value: 'folder',
    keepsBytes: true,
    summary: 'absolute path of the folder in which the command starts',
    kind: 'other',
  },
} as const satisfies OptionDefinitions;

/**
 * Returns the variables that {@link ENV_OPTION} names. If a name occurs several times, the last value wins.
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
        why: 'it is not set in this shell',
        hint: `--env ${name}=VALUE`,
      });
    }
    env[name] = known;
  }
  return env;
}

/**
 * Returns the folder that {@link WORKDIR_OPTION} names.
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

/**
 * Returns the user that `--user` names.
 *
 * @throws {AppError} USAGE_OPTION_VALUE when it is empty.
 */
export function userOf(given: string | undefined): string | undefined {
  if (given !== '') return given;
  throw badOption('--user', {
    value: given,
    why: 'it is empty',
    hint: 'give the name or number of a user of the guest',
  });
}

/** Returns the error for an option value that cannot be used. */
export function badOption(
  flag: string,
  { value, why, hint }: { value: string; why: string; hint: string },
): AppError {
  return new AppError('USAGE_OPTION_VALUE', `Cannot use "${value}" for ${flag}: ${why}`, {
    hint,
    details: { field: flag.slice(2), value },
  });
}

import { resolve } from 'node:path';
import { AppError } from '../../base/errors.ts';
import type { Environment } from '../../config/settings.ts';
import type { GivenSecret } from '../../protocol/api/vm-requests.ts';
import { formatSecret, parseSecret } from '../../protocol/secret/secret-text.ts';
import type { ProblemList } from '../program/problems.ts';

/** A secret that the guest can use and not read. */
export const SECRET_OPTION = {
  type: 'list',
  value: 'secret',
  summary:
    "a secret that the guest can use and not read, as NAME=SOURCE@HOST[:PORT]: the guest's variable NAME has a placeholder, which requests to HOST, and nowhere else, have replaced outside the guest; SOURCE is env:VARIABLE, file:PATH, command:COMMAND, pass:ENTRY or secret-service:KEY=VALUE; may be given several times",
} as const;

/** What the values of {@link SECRET_OPTION} mean where the command was given. */
export interface SecretPlace {
  env: Environment;
  cwd: string;
}

/**
 * Returns the secrets of an option. Only this program knows the variables of its shell, so it sends their
 * values. Adds what is wrong to `problems`.
 */
export function secretsOf(
  given: readonly string[],
  { env, cwd }: SecretPlace,
  problems: ProblemList,
): GivenSecret[] {
  const secrets = given.flatMap((text) => problems.attempt(() => secretOf(text, { env, cwd })) ?? []);
  const names = secrets.map(({ secret }) => secret.slice(0, secret.indexOf('=')));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    problems.add(
      new AppError('SECRET_INVALID', `Cannot use secret "${twice}" twice: a variable has one value`, {
        hint: 'give another NAME to one of them',
        details: { field: 'secret' },
      }),
    );
  }
  return secrets;
}

/** Returns the names of secrets to take away. Adds what is wrong to `problems`. */
export function namesOf(given: readonly string[], problems: ProblemList): string[] {
  const wrong = given.find((name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  if (wrong !== undefined) {
    problems.add(
      new AppError('SECRET_INVALID', `Cannot take away secret ${JSON.stringify(wrong)}: it is no name`, {
        hint: 'give the NAME of its variable; banger vm network VM shows the secrets',
        details: { field: 'remove-secret' },
      }),
    );
  }
  return [...given];
}

function secretOf(text: string, { env, cwd }: SecretPlace): GivenSecret {
  const parsed = parseSecret(text);
  if (parsed.kind === 'file') return { secret: formatSecret({ ...parsed, from: resolve(cwd, parsed.from) }) };
  if (parsed.kind !== 'env') return { secret: text };
  const value = env[parsed.from];
  if (value) return { secret: text, value };
  throw new AppError(
    'SECRET_SOURCE_UNUSABLE',
    `Cannot read secret "${parsed.name}" from env:${parsed.from}: it is not set in this shell`,
    { hint: `export ${parsed.from} first`, details: { secret: parsed.name, source: 'env' } },
  );
}

import { randomBytes } from 'node:crypto';
import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import type { GivenSecret } from '../../../protocol/api/vm-requests.ts';
import { parseSecret, type SecretText } from '../../../protocol/secret/secret-text.ts';
import type { VmNetwork, VmSecret } from '../../../protocol/vm.ts';
import type { SecretValues } from '../../ports/secret-values.ts';

const MAX_SECRETS = 64;

/** The part of a network that is about secrets. */
type Secrets = Pick<VmNetwork, 'secrets' | 'authority'>;

/** The part of the world that has the values. */
interface Values {
  secretValues: SecretValues;
}

/**
 * The secrets of a network after a change. Each of those that are given is read once, so that one without a
 * value is refused before anything is made. One that is given again keeps its placeholder, which programs in
 * the guest may have.
 *
 * @throws {AppError} SECRET_INVALID, SECRET_SOURCE_UNUSABLE, SECRET_UNKNOWN for one to take away.
 */
export async function changedSecrets(
  { secretValues }: Values,
  present: Secrets,
  { add = [], remove = [] }: { add?: readonly GivenSecret[]; remove?: readonly string[] },
  { signal }: Abortable,
): Promise<Secrets> {
  const byName = new Map((present.secrets ?? []).map((secret) => [secret.name, secret]));
  for (const name of remove) if (!byName.delete(name)) throw unknownSecret(name, [...byName.keys()]);
  const parsed = add.map((given) => ({ given, text: parseSecret(given.secret) }));
  for (const { given, text } of parsed) {
    const secret = secretOf(text, byName.get(text.name));
    if (text.kind === 'env') secretValues.remember(secret.placeholder, variableOf(text, given));
    await secretValues.read({ ...text, placeholder: secret.placeholder }, { signal });
    secretValues.renew(secret.placeholder);
    byName.set(text.name, secret);
  }
  if (byName.size > MAX_SECRETS) {
    throw new AppError('SECRET_INVALID', `Cannot use these secrets: there are more than ${MAX_SECRETS}`);
  }
  if (byName.size === 0) return {};
  const authority = present.authority ?? randomBytes(16).toString('hex');
  return { secrets: [...byName.values()], authority };
}

/** The rules for the servers of secrets. Pure. */
export function serversOf({ secrets = [] }: Secrets): string[] {
  return secrets.map(({ host, port }) => `${host}:${port}`);
}

function secretOf({ name, kind, from, host, port }: SecretText, former: VmSecret | undefined): VmSecret {
  const source = `${kind}:${from}`;
  const isSame = former?.source === source && former.host === host && former.port === port;
  // Hexadecimal digits are the same in every encoding that a request may have.
  const placeholder = isSame ? former.placeholder : `banger-secret-${randomBytes(16).toString('hex')}`;
  return { name, source, host, port, placeholder };
}

function variableOf({ name, from }: SecretText, { value }: GivenSecret): string {
  if (value !== undefined) return value;
  throw new AppError(
    'SECRET_SOURCE_UNUSABLE',
    `Cannot read secret "${name}": the client did not send ${from}`,
    {
      hint: `set the variable ${from} in the shell that runs banger, and export it`,
      details: { secret: name, source: 'env' },
    },
  );
}

function unknownSecret(name: string, names: readonly string[]): AppError {
  const present = names.length > 0 ? `its secrets are ${names.join(', ')}` : 'it has no secrets';
  return new AppError('SECRET_UNKNOWN', `Cannot take away secret ${JSON.stringify(name)}: ${present}`, {
    hint: 'banger vm network NAME shows the secrets',
    details: { secret: name },
  });
}

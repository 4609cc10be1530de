import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { SecretValues } from '../../../core/ports/secret-values.ts';
import type { NetworkSecrets } from '../../../core/ports/vmm/network.ts';
import { parseSecret } from '../../../protocol/secret/secret-text.ts';
import type { VmSecret } from '../../../protocol/vm.ts';
import type { SentSecrets } from './network-control.ts';

/** What {@link sentSecrets} needs. */
export interface SentSecretsOptions extends Abortable {
  /** the placeholders of the secrets whose values the network has */
  known: readonly string[];
  secretValues: SecretValues;
  vmId: string;
  log: Logger;
}

/**
 * What a network is sent: all secrets, with the values that it lacks. One that cannot be read now is sent
 * without its value, and requests with it are refused: the VM is of use all the same.
 */
export async function sentSecrets(
  wanted: NetworkSecrets | undefined,
  options: SentSecretsOptions,
): Promise<SentSecrets> {
  if (!wanted) return { seed: '', secrets: [] };
  const secrets: SentSecrets['secrets'][number][] = [];
  for (const secret of wanted.list) {
    const { name, placeholder, host, port } = secret;
    const value = await valueFor(secret, options);
    secrets.push({ name, placeholder, host, port, ...(value === undefined ? {} : { value }) });
  }
  const seed = await options.secretValues.seed(wanted.authority);
  return { seed: seed.toString('base64'), secrets };
}

async function valueFor(
  { name, source, host, port, placeholder }: VmSecret,
  { known, secretValues, vmId, log, signal }: SentSecretsOptions,
): Promise<string | undefined> {
  const isRenewed = secretValues.takeRenewed(placeholder);
  if (known.includes(placeholder) && !isRenewed) return undefined;
  try {
    const text = parseSecret(`${name}=${source}@${host}:${port}`);
    return await secretValues.read({ ...text, placeholder }, { signal });
  } catch (error) {
    if (!(error instanceof AppError) || signal.aborted) throw error;
    log.warn("a VM's secret cannot be read; requests with it are refused", { vmId, secret: name, error });
    return undefined;
  }
}

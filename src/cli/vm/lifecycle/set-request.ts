import { AppError } from '../../../base/errors.ts';
import { parseSize } from '../../../base/text/size.ts';
import type { SetVmRequest } from '../../../protocol/api/vm-requests.ts';
import { MIN_MEMORY_MIB } from '../../../protocol/vm-limits.ts';
import { parseCount } from '../../program/count-option.ts';
import { ProblemList } from '../../program/problems.ts';
import { portsOf, rulesOf } from '../create-request.ts';
import { namesOf, type SecretPlace, secretsOf } from '../secret-option.ts';

/** Option values of `vm set`. */
export interface SetOptions {
  vcpu: string | undefined;
  memory: string | undefined;
  diskSize: string | undefined;
  nat: boolean;
  noNat: boolean;
  allow: readonly string[];
  disallow: readonly string[];
  allowAll: boolean;
  secret: readonly string[];
  removeSecret: readonly string[];
  exposeHost: readonly string[];
  unexposeHost: readonly string[];
}

/**
 * Returns the requested changes of a VM.
 *
 * @throws {AppError} USAGE_OPTIONS when no change was requested; VM_SHAPE_INVALID, SIZE_INVALID.
 */
export function setRequestOf(options: SetOptions, place: SecretPlace): SetVmRequest {
  const { vcpu, memory, diskSize } = options;
  const problems = new ProblemList();
  const given = (value: string | undefined, parse: (text: string) => number): number | undefined =>
    value === undefined ? undefined : problems.attempt(() => parse(value));
  const vcpuCount = given(vcpu, (text) => parseCount(text, { flag: '--vcpu', least: 1 }));
  const memoryMib = given(memory, (text) =>
    parseCount(text, { flag: '--memory', least: MIN_MEMORY_MIB, unit: 'MiB' }),
  );
  const diskSizeBytes = given(diskSize, (text) => parseSize(text, '--disk-size'));
  const network = networkChange(options, place, problems);
  const exposed = exposedChange(options, problems);
  problems.throwAny();
  const request = {
    ...(vcpuCount === undefined ? {} : { vcpuCount }),
    ...(memoryMib === undefined ? {} : { memoryMib }),
    ...(diskSizeBytes === undefined ? {} : { diskSizeBytes }),
    ...network,
    ...exposed,
  };
  if (Object.keys(request).length > 0) return request;
  throw new AppError('USAGE_OPTIONS', 'Cannot change a VM: no change was requested', {
    hint: 'give --vcpu, --memory, --disk-size, --nat, --no-nat, --allow, --disallow, --allow-all, --secret, --remove-secret, --expose-host or --unexpose-host',
  });
}

/** A port that is given for both is a mistake. */
function exposedChange(
  { exposeHost, unexposeHost }: Pick<SetOptions, 'exposeHost' | 'unexposeHost'>,
  problems: ProblemList,
): Pick<SetVmRequest, 'exposeHost'> {
  if (exposeHost.length === 0 && unexposeHost.length === 0) return {};
  const add = portsOf(exposeHost, { flag: '--expose-host', problems });
  const remove = portsOf(unexposeHost, { flag: '--unexpose-host', problems });
  const both = add.find((port) => remove.includes(port));
  if (both !== undefined) {
    const message = `Cannot use port ${both} for --expose-host and --unexpose-host`;
    problems.add(new AppError('USAGE_OPTIONS', message, { hint: 'leave one of them out' }));
  }
  return { exposeHost: { add, remove } };
}

/** A change of rules connects the guest, unless it is cut off in the same line. */
function networkChange(
  { nat, noNat, allow, disallow, allowAll, secret, removeSecret }: SetOptions,
  place: SecretPlace,
  problems: ProblemList,
): Pick<SetVmRequest, 'nat' | 'network'> {
  const isAboutRules = allow.length > 0 || disallow.length > 0;
  if (isAboutRules && allowAll) {
    problems.add(
      new AppError(
        'USAGE_OPTIONS',
        'Cannot use --allow-all with --allow or --disallow: it takes all rules away',
        {
          hint: 'leave --allow-all out, or the rules',
        },
      ),
    );
  }
  const mode = noNat && !nat ? 'none' : 'user';
  const isAboutSecrets = secret.length > 0 || removeSecret.length > 0;
  const secrets = isAboutSecrets
    ? { secretChange: { add: secretsOf(secret, place, problems), remove: namesOf(removeSecret, problems) } }
    : {};
  if (allowAll) return { network: { mode, policy: { lift: true }, ...secrets } };
  if (!isAboutRules && isAboutSecrets) return { network: { mode, ...secrets } };
  if (!isAboutRules) return nat || noNat ? { nat } : {};
  const policy = { add: rulesOf(allow, problems), remove: rulesOf(disallow, problems) };
  return { network: { mode, policy, ...secrets } };
}

import { AppError } from '../../base/errors.ts';
import { parseSize } from '../../base/text/size.ts';
import type { Settings } from '../../config/settings.ts';
import type { CreateVmRequest } from '../../protocol/api/vm-requests.ts';
import { parseEgressRule } from '../../protocol/egress/egress-rule.ts';
import { checkUserName } from '../../protocol/guest-user.ts';
import { parsePlatform } from '../../protocol/image/platform.ts';
import { MIN_MEMORY_MIB } from '../../protocol/vm-limits.ts';
import { checkVmName } from '../../protocol/vm-name.ts';
import type { OptionValues } from '../program/command.ts';
import { parseCount } from '../program/count-option.ts';
import type { ProblemList } from '../program/problems.ts';
import { kernelRefOf } from './kernel-ref.ts';
import { type SecretPlace, secretsOf } from './secret-option.ts';
import type { VM_OPTIONS } from './vm-options.ts';
import { parseVmm } from './vmm-option.ts';

/**
 * Returns the request for a new VM: the values of {@link VM_OPTIONS} after checks, the rest from the
 * settings. Adds what is wrong to `problems`.
 */
export function createRequestOf(
  options: OptionValues<typeof VM_OPTIONS>,
  { settings, problems, ...place }: SecretPlace & { settings: Settings; problems: ProblemList },
): CreateVmRequest {
  const { vmDefaults } = settings;
  const given = <T>(value: string | undefined, parse: (text: string) => T): T | undefined =>
    value === undefined ? undefined : problems.attempt(() => parse(value));
  const name = given(options.name, parseName);
  const platform = given(options.platform, parsePlatform);
  const kernel = given(options.kernelRef, kernelRefOf);
  const user = given(options.user, (text) => checkUserName(text, '--user')) ?? settings.defaultUser;
  const vmm = given(options.vmm, parseVmm) ?? settings.defaultVmm;
  return {
    ...(name === undefined ? {} : { name }),
    ...(options.cold ? { cold: true } : {}),
    image: given(options.image, parseImage) ?? settings.defaultImage,
    ...(platform === undefined ? {} : { platform }),
    ...(kernel === undefined ? {} : { kernel }),
    ...(user === undefined ? {} : { user }),
    ...(vmm === undefined ? {} : { vmm }),
    vcpuCount:
      given(options.vcpu, (text) => parseCount(text, { flag: '--vcpu', least: 1 })) ??
      vmDefaults.vcpuCount.value,
    memoryMib:
      given(options.memory, (text) =>
        parseCount(text, { flag: '--memory', least: MIN_MEMORY_MIB, unit: 'MiB' }),
      ) ?? vmDefaults.memoryMib.value,
    diskSizeBytes:
      given(options.diskSize, (text) => parseSize(text, '--disk-size')) ?? vmDefaults.diskSizeBytes.value,
    systemOverlaySizeBytes:
      given(options.systemOverlaySize, (text) => parseSize(text, '--system-overlay-size')) ??
      vmDefaults.systemOverlaySizeBytes.value,
    ...networkOf(options, place, problems),
    ...(options.exposeHost.length > 0
      ? { exposeHost: portsOf(options.exposeHost, { flag: '--expose-host', problems }) }
      : {}),
  };
}

/**
 * A rule connects the guest, and keeps it from everything that no rule allows. So does a secret without
 * --nat: its server is allowed.
 */
function networkOf(
  { nat, allow, secret }: { nat: boolean; allow: readonly string[]; secret: readonly string[] },
  place: SecretPlace,
  problems: ProblemList,
): Pick<CreateVmRequest, 'nat' | 'network'> {
  const secrets = secret.length > 0 ? { secrets: secretsOf(secret, place, problems) } : {};
  if (allow.length === 0 && secret.length === 0) return nat ? { nat: true } : {};
  if (allow.length === 0 && nat) return { network: { mode: 'user', ...secrets } };
  return { network: { mode: 'user', policy: { allow: rulesOf(allow, problems) }, ...secrets } };
}

/** Returns the ports of an option. Adds what is wrong to `problems`. */
export function portsOf(
  given: readonly string[],
  { flag, problems }: { flag: string; problems: ProblemList },
): number[] {
  return given.flatMap((text) => problems.attempt(() => parsePort(text, flag)) ?? []);
}

function parsePort(text: string, flag: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new AppError('USAGE_OPTION_VALUE', `Cannot use "${text}" for ${flag}: it is not a port`, {
    hint: `${flag} takes a number from 1 to 65535`,
    details: { field: flag.slice(2), value: text },
  });
}

function parseName(text: string): string {
  checkVmName(text);
  return text;
}

function parseImage(text: string): string {
  if (text.trim() === '') {
    throw new AppError('IMAGE_NAME_INVALID', 'Cannot use "" for --image: it is not a name', {
      hint: 'banger image list',
      details: { field: 'image', value: text },
    });
  }
  return text;
}

/** Returns the rules of --allow. Adds what is wrong to `problems`; only the daemon knows all presets. */
export function rulesOf(given: readonly string[], problems: ProblemList): string[] {
  for (const rule of given) if (!rule.startsWith('@')) problems.attempt(() => parseEgressRule(rule));
  return [...given];
}

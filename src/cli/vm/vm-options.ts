import { AppError } from '../../base/errors.ts';
import { formatSize, parseSize } from '../../base/text/size.ts';
import type { Settings } from '../../config/settings.ts';
import type { CreateVmRequest } from '../../protocol/api/vm-requests.ts';
import { checkUserName } from '../../protocol/guest-user.ts';
import { parsePlatform } from '../../protocol/image/platform.ts';
import { MIN_MEMORY_MIB } from '../../protocol/vm-limits.ts';
import { checkVmName } from '../../protocol/vm-name.ts';
import type { OptionDefinitions, OptionValues } from '../program/command.ts';
import type { ProblemList } from '../program/problems.ts';
import { ALLOW_OPTION, rulesOf } from './allow-option.ts';
import { KERNEL_OPTION, kernelRefOf } from './kernel-ref.ts';
import { PLATFORM_OPTION } from './platform-option.ts';
import { SECRET_OPTION, type SecretPlace, secretsOf } from './secret-option.ts';
import { parseVmm, VMM_OPTION } from './vmm-option.ts';

/**
 * Shows where the time of the command went: on stderr, printed by the command line itself, or in the value
 * that `--json` prints (`spansOf`).
 */
export const TIMINGS = {
  type: 'flag',
  summary: 'print on stderr where the time went, in ms; with --json, the value has it as "spans"',
} as const;

/** Options of every command that makes a VM. */
export const VM_OPTIONS = {
  name: {
    type: 'value',
    value: 'name',
    summary: "the VM's name: 1 to 63 of a-z, 0-9 and '-'",
    defaultText: () => 'generated, such as calm-otter',
  },
  image: {
    type: 'value',
    value: 'image',
    kind: 'image',
    summary: 'the image that the VM boots, or a reference to one in a registry',
    defaultText: (settings) =>
      settings?.defaultImage ?? 'default_image_name of the config file, else debian-bookworm',
  },
  ...PLATFORM_OPTION,
  ...KERNEL_OPTION,
  ...VMM_OPTION,
  vcpu: {
    type: 'value',
    value: 'count',
    summary: 'virtual CPUs',
    defaultText: (settings) =>
      settings
        ? String(settings.vmDefaults.vcpuCount.value)
        : "vcpu of the config file, else a quarter of the host's CPUs, at most 4",
  },
  memory: {
    type: 'value',
    value: 'MiB',
    summary: `memory in MiB, at least ${MIN_MEMORY_MIB}`,
    defaultText: (settings) =>
      settings
        ? String(settings.vmDefaults.memoryMib.value)
        : "memory_mib of the config file, else an eighth of the host's memory, at most 8192",
  },
  diskSize: {
    type: 'value',
    value: 'size',
    summary: 'size of the work disk at /root, for example 8G or 512M',
    defaultText: (settings) => sizeText(settings?.vmDefaults.diskSizeBytes.value, 'disk_size'),
  },
  systemOverlaySize: {
    type: 'value',
    value: 'size',
    summary: 'free space on the system disk, beyond the image',
    defaultText: (settings) =>
      sizeText(settings?.vmDefaults.systemOverlaySizeBytes.value, 'system_overlay_size'),
  },
  user: {
    type: 'value',
    short: 'u',
    value: 'user',
    summary:
      'the user of the VM: commands, shells, ssh and the working tree are theirs; made when missing, with sudo and a home on the work disk',
    defaultText: (settings) =>
      settings?.defaultUser ??
      'user of the config file, else root; without a working tree, what the image says',
  },
  nat: {
    type: 'flag',
    summary: 'let the guest open connections to the outside: the network, and the host itself',
  },
  allow: ALLOW_OPTION,
  secret: SECRET_OPTION,
  exposeHost: {
    type: 'list',
    value: 'port',
    summary:
      "a port of this host's 127.0.0.1 that the guest reaches as its own, and nothing else of this host; may be given several times",
  },
  cold: { type: 'flag', summary: 'boot the VM, even if there is a warm template for it' },
  timings: TIMINGS,
} as const satisfies OptionDefinitions;

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
      ? { exposeHost: options.exposeHost.flatMap((text) => problems.attempt(() => parsePort(text)) ?? []) }
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

function parsePort(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new AppError('USAGE_OPTION_VALUE', `Cannot use "${text}" for --expose-host: it is not a port`, {
    hint: '--expose-host takes a number from 1 to 65535',
    details: { field: 'expose-host', value: text },
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

/**
 * Parses a whole number of at least `least`; `flag` and `unit` are for the error.
 *
 * @throws {AppError} VM_SHAPE_INVALID
 */
export function parseCount(
  text: string,
  { flag, least, unit }: { flag: string; least: number; unit?: string },
): number {
  const value = /^[0-9]{1,9}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (value >= least) return value;
  const shown = unit ? `${least} ${unit}` : String(least);
  const why = Number.isNaN(value) ? 'it is not a whole number' : `it is below the minimum ${shown}`;
  throw new AppError('VM_SHAPE_INVALID', `Cannot use "${text}" for ${flag}: ${why}`, {
    hint: `${flag} takes a whole number of at least ${shown}`,
    details: { field: flag.slice(2), value: text },
  });
}

function sizeText(bytes: number | undefined, key: string): string {
  return bytes === undefined ? `${key} of the config file, else 8G` : formatSize(bytes);
}

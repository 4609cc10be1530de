import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { AppError, isErrno } from '../base/errors.ts';
import { LOG_LEVELS, type LogLevel } from '../base/log.ts';
import { ACCELERATORS, type Accelerator, type VmShape } from '../protocol/vm.ts';
import { type ConfigFile, parseConfig } from './config-file.ts';
import { defaultDnsPlace, GATEWAY_PORT } from './dns-place.ts';
import { resolveFileSync } from './file-sync.ts';
import type { RegistryTable } from './registries.ts';
import { type Environment, homeDir, resolvePaths, type Settings } from './settings.ts';
import { type HostSize, vmDefaults } from './vm-defaults.ts';

/** Enough for dozens of shapes: a template with 2 GiB of memory takes 0.2 to 0.5 GiB on disk. */
const TEMPLATE_BUDGET_BYTES = 10 * 2 ** 30;

/** Enough for starts one after another; each takes about 50 MiB of memory and a folder. */
const POOL_LIMIT = 3;

/** Not more often, because each measurement takes time in an emulated guest. */
const STATS_POLL_MS = 10_000;

/**
 * Reads the config file, in which everything is optional, and the size of the host.
 *
 * @throws {AppError} CONFIG_INVALID naming each bad field; CONFIG_PATH_INVALID.
 */
export function loadSettings(env: Environment, host: HostSize = thisHost()): Settings {
  const paths = resolvePaths(env);
  const file = readConfig(paths.configFile);
  return {
    paths,
    vmDefaults: vmDefaults(configuredShape(file), host),
    ...(file.vm_defaults?.user === undefined ? {} : { defaultUser: file.vm_defaults.user }),
    defaultImage: file.default_image_name ?? 'debian-bookworm',
    ...(file.vm_defaults?.vmm === undefined ? {} : { defaultVmm: file.vm_defaults.vmm }),
    ...(file.firecracker_bin === undefined ? {} : { firecrackerPath: file.firecracker_bin }),
    isWarm: file.warm ?? true,
    hasPool: file.standby ?? true,
    poolLimit: file.standby_max ?? POOL_LIMIT,
    templateBudgetBytes: file.template_disk_budget ?? TEMPLATE_BUDGET_BYTES,
    hasAutoPorts: file.auto_ports ?? true,
    forwardTo: file.forward_to ?? 'user',
    fileSync: resolveFileSync(file.file_sync ?? [], homeDir(env)),
    networkPolicies: file.network?.policies ?? new Map(),
    hasHostAuthorities: file.guest?.host_ca ?? false,
    hasProxies: file.guest?.proxy ?? false,
    registries: {
      mirrors: Object.fromEntries((file.registry ?? []).flatMap(mirrorOf)),
      insecure: (file.registry ?? []).flatMap(({ host, insecure }) => (insecure ? [host] : [])),
    },
    catalogs: file.catalog ?? [],
    logLevel: logLevel(env['BANGER_LOG_LEVEL'], file.log_level),
    ...acceleratorOf(env['BANGER_ACCELERATOR'], file.accelerator),
    ...(file.auto_stop_stale_after ? { autoStopStaleAfterMs: file.auto_stop_stale_after } : {}),
    ...(file.auto_suspend_after ? { autoSuspendAfterMs: file.auto_suspend_after } : {}),
    ...dnsOf(file),
    ...(file.gateway === false ? {} : { gatewayPort: file.gateway_port ?? GATEWAY_PORT }),
    ...(file.stats_poll_interval === 0 ? {} : { statsPollMs: file.stats_poll_interval ?? STATS_POLL_MS }),
    host,
  };
}

/** CPUs and memory of this host. */
function thisHost(): HostSize {
  return { cpuCount: cpus().length, memoryMib: Math.floor(totalmem() / 2 ** 20) };
}

function mirrorOf({ host, mirror }: RegistryTable): [string, string][] {
  return mirror === undefined ? [] : [[host, mirror]];
}

function readConfig(path: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return {};
    throw new AppError('CONFIG_INVALID', `Cannot read the config file "${path}"`, { cause: error });
  }
  return parseConfig(text, path);
}

function configuredShape(file: ConfigFile): Partial<VmShape> {
  const given = file.vm_defaults;
  return {
    ...(given?.vcpu === undefined ? {} : { vcpuCount: given.vcpu }),
    ...(given?.memory_mib === undefined ? {} : { memoryMib: given.memory_mib }),
    ...(given?.disk_size === undefined ? {} : { diskSizeBytes: given.disk_size }),
    ...(given?.system_overlay_size === undefined
      ? {}
      : { systemOverlaySizeBytes: given.system_overlay_size }),
  };
}

function dnsOf(file: ConfigFile): Pick<Settings, 'dns'> {
  if (file.dns === false) return {};
  const usual = defaultDnsPlace(process.getuid?.() ?? 0);
  return { dns: { address: file.dns_address ?? usual.address, port: file.dns_port ?? usual.port } };
}

function logLevel(fromEnv: string | undefined, fromFile: LogLevel | undefined): LogLevel {
  if (!fromEnv) return fromFile ?? 'info';
  const level = LOG_LEVELS.find((l) => l === fromEnv);
  if (level) return level;
  throw new AppError('CONFIG_INVALID', `Cannot use BANGER_LOG_LEVEL "${fromEnv}": it is not a log level`, {
    hint: `use one of ${LOG_LEVELS.join(', ')}`,
    details: { field: 'BANGER_LOG_LEVEL' },
  });
}

function acceleratorOf(
  fromEnv: string | undefined,
  fromFile: Accelerator | undefined,
): Pick<Settings, 'accelerator'> {
  if (!fromEnv) return fromFile ? { accelerator: fromFile } : {};
  const accelerator = ACCELERATORS.find((each) => each === fromEnv);
  if (accelerator) return { accelerator };
  throw new AppError(
    'CONFIG_INVALID',
    `Cannot use BANGER_ACCELERATOR "${fromEnv}": it is not an accelerator`,
    {
      hint: `use one of ${ACCELERATORS.join(', ')}, or unset it`,
      details: { field: 'BANGER_ACCELERATOR' },
    },
  );
}

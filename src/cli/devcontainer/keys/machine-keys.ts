import type { JsonValue } from '../../../base/text/jsonc.ts';
import type { HostRequirements } from '../config.ts';
import { isObject, type KeyReader, notSupported, overridden, refused, taken } from './key.ts';

const UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  kb: 2 ** 10,
  mb: 2 ** 20,
  gb: 2 ** 30,
  tb: 2 ** 40,
};
const MIB_BYTES = 2 ** 20;

/** The keys about the machine and what container engines do. */
export const MACHINE_KEYS: Readonly<Record<string, KeyReader>> = {
  hostRequirements: (value) => {
    const found = requirementsOf(value);
    if (typeof found === 'string') return refused(found);
    const hasGpu = isObject(value) && value['gpu'] !== undefined && value['gpu'] !== false;
    const note = 'the least that the VM gets; options of the command line win';
    if (!hasGpu) return taken({ requirements: found }, note);
    return overridden(`${note}; gpu is not supported: the VM has none`, { requirements: found });
  },
  mounts: (value) => mountsVerdict(value),
  runArgs: (value) =>
    Array.isArray(value) && value.length === 0
      ? taken({})
      : notSupported('they are options of a container engine'),
  privileged: () => overridden('root in the guest may do everything there'),
  capAdd: () => overridden('root in the guest has all capabilities'),
  securityOpt: () => overridden('no filter keeps programs of the guest from tracing one another'),
  init: () => overridden('the VM has a process 1 that reaps processes'),
  ...Object.fromEntries(
    ['dockerComposeFile', 'service', 'runServices'].map((key): [string, KeyReader] => [
      key,
      () => refused('several containers are not supported; use image or build'),
    ]),
  ),
};

function mountsVerdict(value: JsonValue): ReturnType<KeyReader> {
  if (!Array.isArray(value)) return refused('it must be a list');
  if (value.length === 0) return taken({});
  const ofHost = value.filter((one: JsonValue) => !isOwnVolume(one));
  if (ofHost.length === 0) return overridden('a folder of the VM takes the place of each volume');
  return refused('folders of this host are not mounted in a guest; copy what it needs with banger vm cp');
}

/** Whether a mount is a volume of the container engine, or memory. Anything else counts as a host's. */
function isOwnVolume(mount: JsonValue): boolean {
  if (isObject(mount)) return mount['type'] === 'volume' || mount['type'] === 'tmpfs';
  if (typeof mount !== 'string') return false;
  return mount.split(',').some((field) => /^type=(volume|tmpfs)$/.test(field.trim()));
}

/** The requirements, or what is wrong with them. */
function requirementsOf(value: JsonValue): HostRequirements | string {
  if (!isObject(value)) return 'it must be an object';
  const { cpus, memory, storage } = value;
  if (cpus !== undefined && !(typeof cpus === 'number' && Number.isSafeInteger(cpus) && cpus >= 1)) {
    return 'cpus must be a whole number from 1 on';
  }
  const [memoryBytes, storageBytes] = [memory, storage].map(bytesOf);
  if (memory !== undefined && memoryBytes === undefined) return 'memory must be a size such as "4gb"';
  if (storage !== undefined && storageBytes === undefined) return 'storage must be a size such as "32gb"';
  return {
    ...(cpus === undefined ? {} : { cpus }),
    ...(memoryBytes === undefined ? {} : { memoryMib: Math.ceil(memoryBytes / MIB_BYTES) }),
    ...(storageBytes === undefined ? {} : { storageBytes }),
  };
}

function bytesOf(value: JsonValue | undefined): number | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return undefined;
  const [, digits, unit = ''] = /^(\d{1,15})(tb|gb|mb|kb)?$/i.exec(text.trim()) ?? [];
  const bytes = Number(digits) * (UNIT_BYTES[unit.toLowerCase()] ?? Number.NaN);
  return digits !== undefined && Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

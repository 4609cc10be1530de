import type { JsonValue } from '../../../base/text/jsonc.ts';
import type { WantedPort } from '../config.ts';
import {
  type ConfigFields,
  isObject,
  type KeyReader,
  notSupported,
  overridden,
  refused,
  taken,
} from './key.ts';

/** Most ports that a file may name, both keys together: as many as a VM forwards. */
const MAX_PORTS = 64;

/** The keys with ports. */
export const PORT_KEYS: Readonly<Record<string, KeyReader>> = {
  forwardPorts: (value, _place, fields) => {
    if (!Array.isArray(value)) return refused('it must be a list of ports');
    return portsVerdict(value, fields);
  },
  appPort: (value, _place, fields) => {
    const { ports, others } = readPorts(Array.isArray(value) ? value : [value], fields);
    const note = 'on 127.0.0.1, like forwardPorts';
    return overridden(others.length === 0 ? note : `${note}; not ${others.join(', ')}`, { ports });
  },
  portsAttributes: (value) => {
    if (!isObject(value)) return refused('it must be an object');
    return overridden('label and requireLocalPort count for forwardPorts; every port is forwarded by itself');
  },
  otherPortsAttributes: () =>
    notSupported("every port on which something listens is forwarded to the VM's address"),
};

function portsVerdict(values: readonly JsonValue[], fields: ConfigFields) {
  const { ports, others } = readPorts(values, fields);
  if (values.length > MAX_PORTS) return refused(`it names more than ${MAX_PORTS} ports`);
  if (others.length === 0) return taken({ ports });
  return overridden(`not ${others.join(', ')}: no port of the VM`, { ports });
}

/** The ports of the VM itself, and what else is in the list. */
function readPorts(
  values: readonly JsonValue[],
  fields: ConfigFields,
): { ports: WantedPort[]; others: string[] } {
  const ports = new Map<number, WantedPort>();
  const others: string[] = [];
  for (const value of values) {
    const port = portOf(value);
    if (port === undefined) others.push(JSON.stringify(value));
    else if (!ports.has(port)) ports.set(port, { port, ...attributesOf(port, fields['portsAttributes']) });
  }
  return { ports: [...ports.values()], others };
}

/** `3000`, `"3000"`, `"localhost:3000"`. Another host is another container, of which there is none. */
function portOf(value: JsonValue): number | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return undefined;
  const [, digits = ''] = /^(?:(?:localhost|127\.0\.0\.1):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** What `portsAttributes` says of a port: by its number, or by a range of numbers. */
function attributesOf(port: number, attributes: JsonValue | undefined): Omit<WantedPort, 'port'> {
  const found = isObject(attributes)
    ? Object.entries(attributes).find(([pattern]) => namesPort(pattern, port))?.[1]
    : undefined;
  if (!isObject(found)) return { isRequired: false };
  const { label, requireLocalPort } = found;
  return {
    ...(typeof label === 'string' && label !== '' ? { label } : {}),
    isRequired: requireLocalPort === true,
  };
}

function namesPort(pattern: string, port: number): boolean {
  const [, first, last = first] =
    /^(?:(?:localhost|127\.0\.0\.1):)?(\d{1,5})(?:-(\d{1,5}))?$/.exec(pattern) ?? [];
  return first !== undefined && Number(first) <= port && port <= Number(last);
}

/** What the `Host` of a request to the gateway means. */
export type GatewayTarget =
  | { kind: 'vm'; name: string; port?: number }
  /** `localhost` itself: the list of VMs */
  | { kind: 'index' }
  /** a name below `localhost` that cannot be a VM's */
  | { kind: 'unknown'; name: string }
  /** not a name below `localhost` */
  | { kind: 'foreign' };

const LOCALHOST = 'localhost';

/** Longest host that is read: a DNS name has at most 253 characters. */
const MAX_HOST_CHARS = 260;

/** A host name with an optional port; brackets and user names do not match. */
const HOST = /^([a-z0-9_.-]+?)\.?(?::[0-9]{1,5})?$/;

/**
 * Reads the `Host` of a request: `NAME.localhost` means a VM, `PORT.NAME.localhost` one of its ports. Every
 * other name is foreign: a site on the internet can make its own name mean 127.0.0.1 (DNS rebinding), but not
 * a name below `localhost`.
 */
export function readGatewayHost(host: string | undefined): GatewayTarget {
  const name = localName(host);
  if (name === undefined) return { kind: 'foreign' };
  if (name === '') return { kind: 'index' };
  const labels = name.split('.');
  const vm = labels.at(-1) ?? '';
  if (!/^[a-z0-9-]{1,63}$/.test(vm) || labels.length > 2) return { kind: 'unknown', name };
  if (labels.length === 1) return { kind: 'vm', name: vm };
  const port = /^[1-9][0-9]{0,4}$/.test(labels[0] ?? '') ? Number(labels[0]) : undefined;
  if (port === undefined || port > 65_535) return { kind: 'unknown', name };
  return { kind: 'vm', name: vm, port };
}

/** True when the `Origin` of a request may use the gateway: none, `localhost`, or a name below it. */
export function isLocalOrigin(origin: string | undefined): boolean {
  if (origin === undefined) return true;
  const [, host] = /^https?:\/\/([^/?#]*)$/i.exec(origin) ?? [];
  return localName(host) !== undefined;
}

/** The part of a host name before `.localhost`, empty for `localhost`; `undefined` for any other name. */
function localName(host: string | undefined): string | undefined {
  if (host === undefined || host.length > MAX_HOST_CHARS) return undefined;
  const [, name] = HOST.exec(host.toLowerCase()) ?? [];
  if (name === LOCALHOST) return '';
  return name?.endsWith(`.${LOCALHOST}`) ? name.slice(0, -LOCALHOST.length - 1) : undefined;
}

/** The address of a VM, or of one of its ports, at a gateway on `gatewayPort`. */
export function gatewayUrl(
  name: string,
  { gatewayPort, port }: { gatewayPort: number; port?: number },
): string {
  const host = port === undefined ? name : `${port}.${name}`;
  return `http://${host}.${LOCALHOST}:${gatewayPort}/`;
}

import type { Abortable } from '../../base/abort.ts';
import type { OutsideContent } from '../../core/ports/host-user.ts';
import { guestProxies } from '../../core/rules/guest-proxies.ts';
import { GUEST_AUTHORITIES_FILE, GUEST_TRUST_FILE } from '../../protocol/guest.ts';
import type { ProxyVariables } from '../../protocol/proxy-variables.ts';
import { type AuthorityFolder, readAuthorities } from './authorities/read-authorities.ts';

/** What guests with NAT get of the network around the host. */
export interface OutsideOptions {
  /** the certificates in these folders; none: the guest trusts its image's alone */
  authorityFolders: readonly AuthorityFolder[];
  /** the proxies of the user's environment */
  hasProxies: boolean;
}

/** For programs with certificates of their own, which do not read the system's: Node, Python's requests. */
const OWN_STORES = {
  NODE_EXTRA_CA_CERTS: GUEST_AUTHORITIES_FILE,
  REQUESTS_CA_BUNDLE: GUEST_TRUST_FILE,
} as const;

/** Reads what a guest with NAT needs to get through the network around the host. */
export async function readOutside(
  { authorityFolders, hasProxies }: OutsideOptions,
  { proxies, signal }: Abortable & { proxies: ProxyVariables },
): Promise<OutsideContent> {
  const { environment, isSecret, ports, notices } = guestProxies(hasProxies ? proxies : {});
  const found = await readAuthorities(authorityFolders, { signal });
  return {
    environment: { ...environment, ...(found.authorities.length > 0 ? OWN_STORES : {}) },
    isSecret,
    proxyPorts: ports,
    authorities: found.authorities,
    notices: [...notices, ...found.notices],
  };
}

import type { Abortable } from '../../base/abort.ts';
import type { OutsideContent } from '../../core/ports/host-user.ts';
import { guestProxies } from '../../core/rules/guest-proxies.ts';
import { TRUST_VARIABLES } from '../../core/rules/guest-trust.ts';
import type { ProxyVariables } from '../../protocol/proxy-variables.ts';
import { type AuthorityFolder, readAuthorities } from './authorities/read-authorities.ts';

/** What guests with NAT get of the network around the host. */
export interface OutsideOptions {
  /** the certificates in these folders; none: the guest trusts its image's alone */
  authorityFolders: readonly AuthorityFolder[];
  /** the proxies of the user's environment */
  hasProxies: boolean;
}

/** Reads what a guest with NAT needs to get through the network around the host. */
export async function readOutside(
  { authorityFolders, hasProxies }: OutsideOptions,
  { proxies, signal }: Abortable & { proxies: ProxyVariables },
): Promise<OutsideContent> {
  const { environment, isSecret, ports, notices } = guestProxies(hasProxies ? proxies : {});
  const found = await readAuthorities(authorityFolders, { signal });
  return {
    environment: { ...environment, ...(found.authorities.length > 0 ? TRUST_VARIABLES : {}) },
    isSecret,
    proxyPorts: ports,
    authorities: found.authorities,
    notices: [...notices, ...found.notices],
  };
}

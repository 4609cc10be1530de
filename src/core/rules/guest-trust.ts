import { GUEST_AUTHORITIES_FILE, GUEST_TRUST_FILE } from '../../protocol/guest.ts';

/**
 * Variables of a guest that trusts more authorities than its image, for programs that do not read the
 * system's: Node, Python's requests.
 */
export const TRUST_VARIABLES = {
  NODE_EXTRA_CA_CERTS: GUEST_AUTHORITIES_FILE,
  REQUESTS_CA_BUNDLE: GUEST_TRUST_FILE,
} as const;

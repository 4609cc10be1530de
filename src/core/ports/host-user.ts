import type { Abortable } from '../../base/abort.ts';
import type { PersonalFile, Surroundings } from '../../protocol/guest.ts';
import type { ProxyVariables } from '../../protocol/proxy-variables.ts';

/** What the user wants to find in every guest. */
export interface HostContent {
  /** later ones win */
  files: readonly PersonalFile[];
  /** for the user: which files were left out, and why */
  notices: readonly string[];
  /** for guests with NAT only */
  outside: OutsideContent;
}

/** What a guest needs to get through the network around the host. */
export interface OutsideContent extends Surroundings {
  /** ports of this host's loopback at which the proxies among them listen */
  proxyPorts: readonly number[];
  /** for the user: what was left out, and why */
  notices: readonly string[];
}

/** The user on the host whose VMs these are. */
export interface HostUser {
  /**
   * 32 secret bytes for `purpose`: always the same for one purpose, different for another, and not derivable
   * from those of another.
   *
   * @throws {AppError} HOST_SECRET_INVALID when the file behind it is damaged.
   */
  secret(purpose: string): Promise<Buffer>;
  /**
   * Reads the present content for every guest: the configured files, the user's git identity, the key to log
   * in with. The guest works without any of it.
   *
   * @throws {AppError} FILE_SYNC_FAILED when a configured file cannot be read, FILE_SYNC_TOO_LARGE,
   * SSH_KEY_INVALID.
   */
  content(options: Abortable): Promise<HostContent>;
  /**
   * The file with the private key whose public half {@link content} authorises; creates the key when it is
   * missing.
   *
   * @throws {AppError} SSH_KEY_INVALID.
   */
  loginKeyFile(): Promise<string>;
  /** The same user in an environment with these proxies, instead of those that the daemon started with. */
  behind(proxies: ProxyVariables): HostUser;
}

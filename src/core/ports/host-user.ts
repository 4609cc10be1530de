import type { Abortable } from '../../base/abort.ts';
import type { PersonalFile } from '../../protocol/guest.ts';

/** What the user wants to find in every guest. */
export interface HostContent {
  /** later ones win */
  files: readonly PersonalFile[];
  /** what the user must be told: files that were left out, and why */
  notices: readonly string[];
}

/** The user on the host whose VMs these are. */
export interface HostUser {
  /**
   * 32 secret bytes for `purpose`: the same for ever, others for another purpose, and not to be guessed from
   * those.
   *
   * @throws {AppError} HOST_SECRET_INVALID when the file behind it is damaged.
   */
  secret(purpose: string): Promise<Buffer>;
  /**
   * Reads what belongs into every guest as it is now: the configured files, who the user is for git, the key
   * to log in with. All of it is optional for the guest.
   *
   * @throws {AppError} FILE_SYNC_FAILED when a configured file cannot be read, FILE_SYNC_TOO_LARGE,
   * SSH_KEY_INVALID.
   */
  content(options: Abortable): Promise<HostContent>;
  /**
   * The file with the private key whose public half {@link content} lets in; made when it is missing.
   *
   * @throws {AppError} SSH_KEY_INVALID.
   */
  loginKeyFile(): Promise<string>;
}

import type { Abortable } from '../../base/abort.ts';
import type { SecretText } from '../../protocol/secret/secret-text.ts';

/**
 * The values of secrets. They are read when a network needs them, and are in the memory of the daemon and of
 * the network only. Those of variables of a client are here from the request on until the daemon ends.
 */
export interface SecretValues {
  /** Keeps the value of a client's variable, by the placeholder that stands for it. */
  remember(placeholder: string, value: string): void;
  /** The next network that is asked about it gets its value again. */
  renew(placeholder: string): void;
  /** Returns whether a network must get the value again, and forgets that. */
  takeRenewed(placeholder: string): boolean;
  /**
   * Reads a value.
   *
   * @throws {AppError} SECRET_SOURCE_UNUSABLE when there is none, or it cannot be part of a request.
   */
  read(
    secret: Pick<SecretText, 'name' | 'kind' | 'from'> & { placeholder: string },
    options: Abortable,
  ): Promise<string>;
  /** 32 bytes that decide the key of the authority of this name: always the same. */
  seed(authority: string): Promise<Buffer>;
}

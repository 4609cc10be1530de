import type { Abortable } from '../../base/abort.ts';
import type { PresetName } from '../../protocol/egress/presets.ts';

/** Finds the hosts that presets stand for on this host. */
export interface Presets {
  /**
   * Returns the rules of a preset, at least one. They follow the configuration of the user's tools, mirrors
   * included.
   *
   * @throws {AppError} NETWORK_PRESET_UNKNOWN when the tool is missing or does not say which hosts it uses.
   */
  rulesOf(name: PresetName, options: Abortable): Promise<string[]>;
}

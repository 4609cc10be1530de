import type { Abortable } from '../../base/abort.ts';
import type { Presets } from '../../core/ports/presets.ts';
import type { PresetName } from '../../protocol/egress/presets.ts';
import { aptHosts } from './apt.ts';
import { cargoHosts } from './cargo.ts';
import { goHosts } from './go.ts';
import { type HostPresetsOptions, HostTools } from './host-tools.ts';
import { npmHosts } from './npm.ts';
import { pipHosts } from './pip.ts';
import { DOCKER_RULES, GITHUB_RULES } from './public-services.ts';

/** Presets by the configuration of the user's tools on this host. */
export class HostPresets implements Presets {
  readonly #options: HostPresetsOptions;

  constructor(options: HostPresetsOptions) {
    this.#options = options;
  }

  async rulesOf(name: PresetName, { signal }: Abortable): Promise<string[]> {
    const tools = new HostTools(name, { ...this.#options, signal });
    switch (name) {
      case 'npm':
        return await npmHosts(tools);
      case 'pypi':
        return await pipHosts(tools);
      case 'crates':
        return await cargoHosts(tools);
      case 'go':
        return await goHosts(tools);
      case 'debian':
        return await aptHosts(tools);
      case 'github':
        return [...GITHUB_RULES];
      case 'docker':
        return [...DOCKER_RULES];
    }
  }
}

import { systemPath } from '../../../base/process/programs.ts';
import type { ArtifactSource } from '../../../core/ports/images/artifacts.ts';
import type { FetchedArtifact } from '../../../protocol/api/artifact.ts';
import type { Task } from '../../../protocol/events.ts';
import { formatImageRef, parseImageRef } from '../../../protocol/image/image-ref.ts';
import { checked, ociArtifact } from './oci-output.ts';
import { registryWords } from './registry-settings.ts';
import type { RegistrySourceOptions } from './registry-source.ts';
import { runOci } from './run-oci.ts';

/** Fetches artefacts with `banger-host oci`; what it downloads stays in the blob store for the next time. */
export class OciArtifactSource implements ArtifactSource {
  readonly #options: RegistrySourceOptions;

  constructor(options: RegistrySourceOptions) {
    this.#options = options;
  }

  async fetch(
    { reference: given, dir }: { reference: string; dir: string },
    task: Task,
  ): Promise<FetchedArtifact> {
    const { hostTools, blobsDir, settings, env } = this.#options;
    const reference = formatImageRef(parseImageRef(given));
    const words = [
      ...['artifact', '--store', blobsDir, '--ref', reference, '--out', dir],
      ...registryWords(settings),
    ];
    const program = { hostTools, env: { ...env, PATH: systemPath(env) } };
    const result = await runOci(words, program, { ...task, stage: 'pull' });
    const { manifestDigest: digest, files } = checked(ociArtifact, result['artifact']);
    return { reference, digest, files };
  }
}

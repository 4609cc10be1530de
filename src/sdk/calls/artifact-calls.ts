import type { Abortable } from '../../base/abort.ts';
import {
  type FetchArtifactRequest,
  type FetchedArtifact,
  fetchedArtifact,
} from '../../protocol/api/artifact.ts';
import type { Work } from '../work.ts';
import type { Caller } from './caller.ts';

/** What registries have besides images. */
export interface ArtifactCalls {
  fetchArtifact(request: FetchArtifactRequest, options: Abortable): Work<FetchedArtifact>;
}

/** {@link ArtifactCalls} over one transport. */
export function artifactCalls(caller: Caller): ArtifactCalls {
  return {
    fetchArtifact: (body, { signal }) => caller.work('/artifacts/fetch', fetchedArtifact, { body, signal }),
  };
}

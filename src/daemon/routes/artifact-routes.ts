import { fetchArtifactRequest, fetchedArtifact } from '../../protocol/api/artifact.ts';
import { type Route, workRoute } from '../http/route.ts';

/** The API of what registries have besides images. */
export const ARTIFACT_ROUTES: readonly Route[] = [
  workRoute({
    method: 'POST',
    path: '/artifacts/fetch',
    summary:
      'Write the files of an artefact of a registry to an empty folder of this host; hanging up cancels it',
    body: fetchArtifactRequest,
    answer: fetchedArtifact,
    run: async ({ app: { world }, body, signal, report }) => ({
      value: await world.artifacts.fetch(body, { signal, report }),
    }),
  }),
];

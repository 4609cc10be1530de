import { closedObject, count, object, someText, text } from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { absolutePath } from './common.ts';

/** Body of `POST /v1/artifacts/fetch`. */
export const fetchArtifactRequest = closedObject({
  reference: someText('as container tools write it: `registry.example/features/go:1`'),
  dir: absolutePath,
});
export type FetchArtifactRequest = ValueOf<typeof fetchArtifactRequest>;

/** Answer of `POST /v1/artifacts/fetch`. */
export const fetchedArtifact = object({
  reference: text('in full form'),
  digest: text('of its manifest, as the registry has it'),
  files: count('files that were written'),
});
export type FetchedArtifact = ValueOf<typeof fetchedArtifact>;

import type { FetchedArtifact } from '../../../protocol/api/artifact.ts';
import type { Task } from '../../../protocol/events.ts';

/** Brings what registries have besides images: artefacts, each of which is one archive of files. */
export interface ArtifactSource {
  /**
   * Writes the files of an artefact to the empty folder `dir` of this host, with the user's credentials.
   * Every byte is checked against its digest; links and devices are refused. After a failure or an abort
   * there may be some of the files.
   *
   * @throws {AppError} REGISTRY_*, IMAGE_REFERENCE_INVALID, IMAGE_ARCHIVE_BAD, IMAGE_TOO_LARGE,
   * HOST_NO_SPACE.
   */
  fetch(request: { reference: string; dir: string }, options: Task): Promise<FetchedArtifact>;
}

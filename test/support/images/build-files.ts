import { join } from 'node:path';
import { FsBuildFiles } from '../../../src/adapters/image/dockerfile/fs-build-files.ts';

/** The host's side of builds of Dockerfiles, for a daemon of a test whose stores are in `dir`. */
export function testBuildFiles(dir: string, env: NodeJS.ProcessEnv): FsBuildFiles {
  const imagesDir = join(dir, 'store');
  return new FsBuildFiles({ imagesDir, blobsDir: imagesDir, env });
}

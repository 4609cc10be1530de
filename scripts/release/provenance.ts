import { createHash } from 'node:crypto';
import type { ReleaseSource } from '../../src/cli/update/installation.ts';
import type { Artifact } from './checksums.ts';
import type { Component } from './components.ts';

/** What decides the bytes of a release besides its components. */
interface BuildParameters {
  version: string;
  commit: string;
  archs: readonly string[];
  level: number;
  update?: ReleaseSource | undefined;
}

/**
 * How the files of a release were made, as an in-toto statement with SLSA's provenance 1.0. It has no times
 * and no name of a machine, so two builds of one commit have the same. `SHA256SUMS`, which is signed, has its
 * checksum.
 */
export function provenance(
  artifacts: readonly Artifact[],
  components: readonly Component[],
  { version, commit, archs, level, update }: BuildParameters,
): string {
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: artifacts.map(({ name, content }) => ({ name, digest: { sha256: sha256(content) } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'https://banger.dev/release/v1',
        externalParameters: {
          version,
          architectures: archs,
          level,
          ...(update && {
            manifestUrl: update.manifestUrl,
            threshold: update.threshold,
            keysSha256: update.keys.map((key) => sha256(key)),
          }),
        },
        internalParameters: {},
        resolvedDependencies: [
          { uri: `pkg:generic/banger@${version}`, digest: { gitCommit: commit } },
          ...components.map(({ purl }) => ({ uri: purl })),
        ],
      },
      runDetails: { builder: { id: 'https://banger.dev/release/npm-run-release' } },
    },
  };
  return `${JSON.stringify(statement, null, 2)}\n`;
}

function sha256(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex');
}

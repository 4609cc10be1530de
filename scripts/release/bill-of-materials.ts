import type { Component } from './components.ts';

/**
 * What a release contains, in the JSON format of CycloneDX 1.5. Without a serial number, which would differ
 * between two builds of one commit.
 */
export function billOfMaterials(
  components: readonly Component[],
  { version, commit, builtAt }: { version: string; commit: string; builtAt: string },
): string {
  const bill = {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      timestamp: builtAt,
      component: {
        type: 'application',
        'bom-ref': `pkg:generic/banger@${version}`,
        name: 'banger',
        version,
        purl: `pkg:generic/banger@${version}`,
        properties: [{ name: 'banger:commit', value: commit }],
      },
    },
    components: components.map(({ name, version: ofComponent, purl }) => ({
      type: 'library',
      'bom-ref': purl,
      name,
      version: ofComponent,
      purl,
    })),
    dependencies: [
      { ref: `pkg:generic/banger@${version}`, dependsOn: components.map(({ purl }) => purl) },
      ...components.map(({ purl }) => ({ ref: purl })),
    ],
  };
  return `${JSON.stringify(bill, null, 2)}\n`;
}

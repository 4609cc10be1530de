import * as z from 'zod';
import type { SavedBy } from '../../core/ports/saved-by.ts';
import type { TemplateFacts } from '../../core/ports/templates.ts';
import { storedNetwork } from '../../protocol/egress/network-schema.ts';
import { savedBy } from '../../protocol/saved-by-schema.ts';
import { SNAPSHOT_TAG } from '../../protocol/vm-limits.ts';

const SHA256 = /^[0-9a-f]{64}$/;

const shape = z.object({
  vcpuCount: z.int().positive(),
  memoryMib: z.int().positive(),
  diskSizeBytes: z.int().positive(),
  systemOverlaySizeBytes: z.int().nonnegative(),
});

const part = z.object({ bytes: z.int().positive(), digest: z.string().regex(SHA256) });

/** A drive stored beside a saved guest, in its folder. */
const savedDrive = z.object({
  serial: z.enum(['overlay', 'work']),
  file: z.string().regex(/^[a-z0-9]+\.(qcow2|raw)$/),
  format: z.enum(['qcow2', 'raw']),
  sizeBytes: z.int().positive(),
  fileBytes: z.int().nonnegative(),
});

/** A drive as manifests describe it. */
export type SavedDrive = z.infer<typeof savedDrive>;

const templateManifest = z.object({
  format: z.literal(1),
  key: z.string().regex(SHA256),
  facts: z.object({
    imageName: z.string(),
    kernelName: z.string(),
    arch: z.enum(['amd64', 'arm64']).exactOptional(),
    shape,
    vmm: z.string(),
  }) satisfies z.ZodType<TemplateFacts>,
  createdAt: z.iso.datetime(),
  memory: part,
  state: part,
  drives: z.array(savedDrive),
});

/** `manifest.json` of a template; its presence makes a folder a template. */
export type TemplateManifest = z.infer<typeof templateManifest>;

const snapshotSavedBy: z.ZodType<SavedBy> = savedBy;

const snapshotManifest = z.object({
  format: z.literal(1),
  tag: z.string().regex(SNAPSHOT_TAG),
  facts: z.object({
    shape,
    network: storedNetwork.exactOptional(),
    // Written by earlier versions of banger, whose guests had the VMM's own network.
    hasNat: z.boolean().exactOptional(),
    savedBy: snapshotSavedBy.exactOptional(),
  }),
  createdAt: z.iso.datetime(),
  memoryBytes: z.int().positive(),
  state: part,
  drives: z.array(savedDrive),
});

/** `manifest.json` of a snapshot; its presence makes a folder a snapshot. */
export type SnapshotManifest = z.infer<typeof snapshotManifest>;

/** Parses any text; returns `undefined` when it is not a manifest of this version. */
export function parseTemplateManifest(text: string): TemplateManifest | undefined {
  return parsed(text, templateManifest);
}

/** Like {@link parseTemplateManifest}, for a snapshot. */
export function parseSnapshotManifest(text: string): SnapshotManifest | undefined {
  return parsed(text, snapshotManifest);
}

function parsed<T>(text: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

import { z } from 'zod';
import type { TemplateFacts } from '../../core/ports/templates.ts';

const SHA256 = /^[0-9a-f]{64}$/;

const shape = z.object({
  vcpuCount: z.int().positive(),
  memoryMib: z.int().positive(),
  diskSizeBytes: z.int().positive(),
  systemOverlaySizeBytes: z.int().nonnegative(),
});

const templateManifest = z.object({
  format: z.literal(1),
  key: z.string().regex(SHA256),
  facts: z.object({
    imageName: z.string(),
    kernelName: z.string(),
    shape,
    vmm: z.string(),
  }) satisfies z.ZodType<TemplateFacts>,
  createdAt: z.iso.datetime(),
  memory: z.object({ bytes: z.int().positive(), digest: z.string().regex(SHA256) }),
  state: z.object({ bytes: z.int().positive(), digest: z.string().regex(SHA256) }),
  /** files in the template's folder */
  drives: z.array(
    z.object({
      serial: z.enum(['overlay', 'work']),
      file: z.string().regex(/^[a-z0-9]+\.(qcow2|raw)$/),
      format: z.enum(['qcow2', 'raw']),
      sizeBytes: z.int().positive(),
      fileBytes: z.int().nonnegative(),
    }),
  ),
});

/** `manifest.json` of a template; the file that makes a folder a template. */
export type TemplateManifest = z.infer<typeof templateManifest>;

/** Parses a manifest's text, whatever it is; `undefined` when it is not one that this version wrote. */
export function parseTemplateManifest(text: string): TemplateManifest | undefined {
  try {
    return templateManifest.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

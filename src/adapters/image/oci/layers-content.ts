import type { LayersContent } from '../../../core/ports/images/image-source.ts';
import { checked, ociImage } from './oci-output.ts';

/** The content that the last line of `banger-host oci pull` or `import` describes. */
export function contentOf(result: Record<string, unknown>): LayersContent {
  const { manifestDigest, configDigest, layers, config } = checked(ociImage, result['image']);
  const blobs = [manifestDigest, configDigest, ...layers.map(({ digest }) => digest)];
  return { kind: 'layers', manifestDigest, config: config ?? {}, blobs: [...new Set(blobs)] };
}

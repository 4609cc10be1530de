import { z } from 'zod';
import { arch, bytes, type Exact, time } from './common-schemas.ts';
import type { BuildImageRequest, Image, Kernel } from './image.ts';

/** Body of `POST /v1/images/NAME/build`. */
export const buildImageRequest = z.strictObject({
  force: z.boolean().exactOptional(),
}) satisfies Exact<BuildImageRequest>;

/** An image. */
export const image: Exact<Image> = z.object({
  name: z.string(),
  id: z.string().describe('of its content'),
  arch,
  distro: z.string(),
  kernel: z.string(),
  sizeBytes: bytes.describe('bytes, as a guest sees it'),
  diskBytes: bytes.describe('bytes that it takes on this host'),
  createdAt: time,
  usedBy: z.array(z.string()).describe('names of VMs'),
});

/** A kernel. */
export const kernel: Exact<Kernel> = z.object({
  name: z.string(),
  release: z.string(),
  arch,
  diskBytes: bytes,
  createdAt: time,
});

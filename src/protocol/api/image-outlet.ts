import { closedObject, count, object, optional, someText, text } from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { absolutePath, bytes } from './common.ts';

/** Body of `POST /v1/images/NAME/export`. */
export const exportImageRequest = closedObject({ path: absolutePath });
export type ExportImageRequest = ValueOf<typeof exportImageRequest>;

/** Answer of `POST /v1/images/NAME/export`. */
export const exportedImage = object({
  path: text('the archive'),
  digest: text("of the image's manifest"),
  layers: count(),
  sizeBytes: bytes('bytes of the archive'),
});
export type ExportedImage = ValueOf<typeof exportedImage>;

/** Body of `POST /v1/images/NAME/push`. */
export const pushImageRequest = closedObject({
  reference: optional(someText("where the image goes; default: the image's name")),
});
export type PushImageRequest = ValueOf<typeof pushImageRequest>;

/** Answer of `POST /v1/images/NAME/push`. */
export const pushedImage = object({
  reference: text('in full form'),
  digest: text('of the manifest, as the registry has it'),
  uploaded: count('layers that were sent'),
  mounted: count('layers that the registry took from another of its repositories'),
  present: count('layers that it had there'),
  uploadedBytes: bytes('bytes of the layers that were sent'),
});
export type PushedImage = ValueOf<typeof pushedImage>;

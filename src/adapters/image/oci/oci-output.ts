import { AppError, printable } from '../../../base/errors.ts';
import { count, list, object, optional, someText, text, textLike } from '../../../base/json-schema/build.ts';
import { isRecord, isValid, problemsOf, problemText } from '../../../base/json-schema/check.ts';
import type { Schema, ValueOf } from '../../../base/json-schema/schema.ts';
import { imageConfig } from '../../../protocol/image/image-config.ts';

/*
 * What `banger-host oci` prints: JSON lines. Progress comes first, and the last line is the result or the
 * error:
 *
 *     {"progress": {...}}
 *     {"image": {...}}, {"rootfs": {...}}, {"exported": {...}}, {"pushed": {...}} or {"artifact": {...}}
 *     {"error": {"code": ..., "message": ..., "hint": ...}}
 */

const digest = textLike('^sha256:[0-9a-f]{64}$', 'a digest');

/** An image whose blobs are in the blob store. */
export const ociImage = object({
  manifestDigest: digest,
  configDigest: digest,
  layers: list(object({ digest, sizeBytes: count() })),
  config: optional(imageConfig),
});

/** A root file system that was written. */
export const ociRootfs = object({
  sizeBytes: count(),
  entries: count(),
  leftOut: optional(list(text())),
});

/** An image that was written to an archive. */
export const ociExported = object({ manifestDigest: digest, layers: count(), sizeBytes: count() });

/** An image that was brought to a registry. */
export const ociPushed = object({
  manifestDigest: digest,
  uploaded: count(),
  mounted: count(),
  present: count(),
  uploadedBytes: count(),
});

/** Files of an artefact that were written. */
export const ociArtifact = object({ manifestDigest: digest, files: count() });

const progress = object({
  bytes: optional(count()),
  bytesDone: optional(count()),
  layers: optional(count()),
  layersDone: optional(count()),
});
/** How far the program is. */
export type OciProgress = ValueOf<typeof progress>;

const failure = object({
  code: textLike('^[A-Z][A-Z_]{2,40}$', 'a code'),
  message: someText(),
  hint: optional(text()),
});

/** Codes that the program may fail with; another one is a bug of it. */
const CODES: ReadonlySet<string> = new Set([
  'HOST_NO_SPACE',
  'IMAGE_ARCHIVE_BAD',
  'IMAGE_DAMAGED',
  'IMAGE_FILE_UNWRITABLE',
  'IMAGE_PLATFORM_MISSING',
  'IMAGE_REFERENCE_INVALID',
  'IMAGE_TOOL_FAILED',
  'IMAGE_TOO_LARGE',
  'REGISTRY_BAD_ANSWER',
  'REGISTRY_NOT_FOUND',
  'REGISTRY_UNAUTHORIZED',
  'REGISTRY_UNREACHABLE',
]);

/** A line of the output. */
export type OciLine =
  | { kind: 'progress'; progress: OciProgress }
  | { kind: 'failure'; error: AppError }
  | { kind: 'result'; value: Record<string, unknown> };

/**
 * Parses a line. The messages quote what registries and archives say, so they are made safe to print.
 *
 * @throws {AppError} IMAGE_BUILD_FAILED for any text that is none of the program's lines.
 */
export function parseOciLine(line: string): OciLine {
  const value = parseJson(line);
  if (!isRecord(value)) throw badOutput('a line is not an object');
  if (value['progress'] !== undefined) {
    return { kind: 'progress', progress: checked(progress, value['progress']) };
  }
  if (value['error'] === undefined) return { kind: 'result', value };
  const { code, message, hint } = checked(failure, value['error']);
  if (!CODES.has(code)) throw badOutput(`an error has the code ${code}`);
  const options = hint ? { hint: printable(hint) } : {};
  return { kind: 'failure', error: new AppError(code, printable(message), options) };
}

/** @throws {AppError} IMAGE_BUILD_FAILED when a result is not as `schema` says. */
export function checked<T>(schema: Schema<T>, value: unknown): T {
  if (isValid(schema, value)) return value;
  throw badOutput(problemsOf(schema, value).map(problemText).join('; '));
}

/** The error for output that the program does not print. */
export function badOutput(why: string): AppError {
  return new AppError('IMAGE_BUILD_FAILED', `Cannot understand "banger-host oci": ${printable(why)}`, {
    hint: 'its version may differ from that of the daemon: install banger again',
  });
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw badOutput('a line is not JSON');
  }
}

import type { Personalisation, TrimRequest } from '../../protocol/guest.ts';

/** Parameters that agents ignore which do not know them. */
export function trimQuery({ withinMs, hostBytes: { overlay, work, workBase } }: TrimRequest): string {
  const base = workBase === undefined ? '' : `&workBase=${workBase}`;
  return `trim=${withinMs}&overlay=${overlay}&work=${work}${base}`;
}

/**
 * One line of JSON, then the contents of all files as raw bytes: parsing 6 MB of JSON takes an emulated guest
 * a second.
 */
export function encodePersonalisation({ files = [], ...rest }: Personalisation): Buffer {
  const described = files.map(({ content, ...file }) => ({ ...file, sizeBytes: content?.length ?? 0 }));
  const header = { ...rest, ...(described.length === 0 ? {} : { files: described }) };
  const contents = files.flatMap(({ content }) => (content ? [content] : []));
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), ...contents]);
}

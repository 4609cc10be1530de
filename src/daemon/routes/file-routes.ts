import { readFromGuest, statInGuest, writeToGuest } from '../../core/vms/guest/guest-files.ts';
import * as schemas from '../../protocol/api/guest-schemas.ts';
import { bytesRoute, jsonRoute, type Route, uploadRoute } from '../http/route.ts';

const TAR_TYPE = 'application/x-tar';

/** Files in guests. */
export const FILE_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'GET',
    path: '/vms/:ref/stat',
    summary: 'What the absolute `path` means in the guest, through symlinks',
    answer: schemas.guestPath,
    run: ({ app, params, query, signal }) =>
      statInGuest(app.world, { ...placeOf({ params, query }), signal }),
  }),
  bytesRoute({
    method: 'GET',
    path: '/vms/:ref/files',
    summary:
      'A file or directory of the guest as a tar archive; with `as` it is one entry of that name, with `sparse=1` sparse files are marked as such',
    contentType: TAR_TYPE,
    run: ({ app, params, query, signal }) =>
      readFromGuest(app.world, {
        ...placeOf({ params, query }),
        as: query.get('as') ?? undefined,
        marksHoles: query.get('sparse') === '1',
        signal,
      }),
  }),
  uploadRoute({
    method: 'PUT',
    path: '/vms/:ref/files',
    summary: 'Unpack a tar archive in the directory `path` of the guest',
    contentType: TAR_TYPE,
    answer: schemas.unpacked,
    run: ({ app, params, query, content, signal }) =>
      writeToGuest(app.world, { ...placeOf({ params, query }), tar: content, signal }),
  }),
];

function placeOf({ params, query }: { params: Readonly<Record<string, string>>; query: URLSearchParams }): {
  ref: string;
  path: string;
} {
  return { ref: params['ref'] ?? '', path: query.get('path') ?? '' };
}

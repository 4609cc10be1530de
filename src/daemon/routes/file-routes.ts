import { readFromGuest, statInGuest, writeToGuest } from '../../core/vms/guest/guest-files.ts';
import { guestPathQuery, readFilesQuery } from '../../protocol/api/guest-queries.ts';
import { guestPath, unpacked } from '../../protocol/guest.ts';
import { bytesRoute, jsonRoute, type Route, uploadRoute } from '../http/route.ts';

const TAR_TYPE = 'application/x-tar';

/** Files in guests. */
export const FILE_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'GET',
    path: '/vms/:ref/stat',
    summary: 'What is at the absolute `path` in the guest; follows symlinks',
    query: guestPathQuery,
    answer: guestPath,
    run: ({ app, params, query: { path }, signal }) =>
      statInGuest(app.world, { ref: params['ref'] ?? '', path, signal }),
  }),
  bytesRoute({
    method: 'GET',
    path: '/vms/:ref/files',
    summary: 'A file or directory of the guest as a tar archive',
    query: readFilesQuery,
    contentType: TAR_TYPE,
    run: ({ app, params, query: { path, as, sparse }, signal }) =>
      readFromGuest(app.world, { ref: params['ref'] ?? '', path, as, marksHoles: sparse === '1', signal }),
  }),
  uploadRoute({
    method: 'PUT',
    path: '/vms/:ref/files',
    summary: 'Unpack a tar archive in the directory `path` of the guest',
    query: guestPathQuery,
    contentType: TAR_TYPE,
    answer: unpacked,
    run: ({ app, params, query: { path }, content, signal }) =>
      writeToGuest(app.world, { ref: params['ref'] ?? '', path, tar: content, signal }),
  }),
];

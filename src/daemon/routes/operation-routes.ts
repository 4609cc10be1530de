import * as schemas from '../../protocol/api/operation.ts';
import { eventsRoute, jsonRoute, type Route } from '../http/route.ts';

/** The API of long work. */
export const OPERATION_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'GET',
    path: '/operations',
    summary: 'Operations in progress',
    query: schemas.listOperationsQuery,
    answer: schemas.operationList,
    run: ({ app, query }) => ({ operations: app.operations.list({ isAll: query.all === '1' }) }),
  }),
  eventsRoute({
    method: 'GET',
    path: '/operations/:id/events',
    summary: 'The events of an operation, from its beginning to its end; hanging up does not cancel it',
    run: ({ app, params }) => app.operations.get(params['id'] ?? ''),
  }),
  jsonRoute({
    method: 'POST',
    path: '/operations/:id/cancel',
    summary: 'Cancel an operation; answers when its effects are undone',
    answer: schemas.operation,
    run: async ({ app, params, signal }) => await app.operations.cancel(params['id'] ?? '', { signal }),
  }),
];

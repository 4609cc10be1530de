import type { Abortable } from '../../base/abort.ts';
import {
  type ListOperationsQuery,
  type Operation,
  operation,
  operationList,
} from '../../protocol/api/operation.ts';
import { flag, operationPath, withQuery } from '../paths.ts';
import type { Work } from '../work.ts';
import type { Caller } from './caller.ts';

/** Long work that any client has started. */
export interface OperationCalls {
  /** Running operations; with `isAll` also those that ended lately. */
  listOperations(options: Abortable & { isAll?: boolean }): Promise<Operation[]>;
  /** All events of an operation, of any client. Hanging up does not cancel it. */
  followOperation(id: string, options: Abortable): Work<unknown>;
  /** Cancels an operation, and waits until its effects are undone. */
  cancelOperation(id: string, options: Abortable): Promise<Operation>;
}

/** {@link OperationCalls} over one transport. */
export function operationCalls(caller: Caller): OperationCalls {
  return {
    listOperations: async ({ isAll, signal }) => {
      const path = withQuery<ListOperationsQuery>('/operations', { all: flag(isAll) });
      return (await caller.get(path, operationList, { signal })).operations;
    },
    followOperation: (id, options) => caller.follow(operationPath(id, 'events'), options),
    cancelOperation: async (id, options) =>
      await caller.post(operationPath(id, 'cancel'), operation, options),
  };
}

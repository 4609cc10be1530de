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

/** Long work, of any client. */
export interface OperationCalls {
  /** Those under way; with `isAll` also what ended lately. */
  listOperations(options: Abortable & { isAll?: boolean }): Promise<Operation[]>;
  /** The events of an operation from its first on, whoever began it; hanging up does nothing to it. */
  followOperation(id: string, options: Abortable): Work<unknown>;
  /** Cancels an operation, and waits until what it began is undone. */
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

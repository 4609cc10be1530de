import type { Operation } from '../../protocol/api/operation.ts';
import { formatAge } from '../render/format.ts';
import { renderTable } from '../render/table.ts';

/** Returns operations as a table, cut to `width` if given. */
export function operationTable(
  operations: readonly Operation[],
  { nowMs, width }: { nowMs: number; width: number | undefined },
): string {
  const rows = operations.map((operation) => [
    operation.id,
    operation.kind,
    operation.target ?? '-',
    operation.state,
    stepOf(operation),
    formatAge(operation.startedAt, nowMs),
  ]);
  return renderTable([['ID', 'KIND', 'TARGET', 'STATE', 'STEP', 'STARTED'], ...rows], width);
}

/** The subject of an operation, or why it failed. */
function stepOf({ stage, detail, error }: Operation): string {
  if (error) return error.message;
  return [stage, detail].filter((part) => part !== undefined).join(': ') || '-';
}

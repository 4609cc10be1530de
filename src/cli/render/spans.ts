import type { Span } from '../context/spans.ts';
import { renderTable } from './table.ts';

/** Where the time went, as a table with the whole as its last row. */
export function spansTable(spans: readonly Span[]): string {
  const total = spans.reduce((sum, { ms }) => sum + ms, 0);
  const rows = [...spans, { stage: 'total', ms: total }].map(({ stage, ms }) => [stage, ms.toFixed(0)]);
  return renderTable([['STAGE', 'MS'], ...rows]);
}

import type { Span } from '../context/spans.ts';
import { renderTable } from './table.ts';

/** Returns a table of where the time went; the last row is the total. */
export function spansTable(spans: readonly Span[]): string {
  const total = spans.reduce((sum, { ms }) => sum + ms, 0);
  const rows = [...spans, { stage: 'total', ms: total }].map(({ stage, ms }) => [stage, ms.toFixed(0)]);
  return renderTable([['STAGE', 'MS'], ...rows]);
}

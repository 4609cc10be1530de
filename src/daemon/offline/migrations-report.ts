import type { RecordsFinding } from './offline-records.ts';

/** What `bangerd --check-migrations` prints, and its exit status: 0, 1 when it would migrate, 2. */
export function migrationsReport(found: RecordsFinding): { status: number; text: string } {
  switch (found.outcome) {
    case 'compatible': {
      const { schema } = found;
      const which = schema === undefined ? 'there are no records yet' : `the records have schema ${schema}`;
      return { status: 0, text: `compatible: ${which}` };
    }
    case 'migrates':
      return {
        status: 1,
        text: `migrations needed: pending [${found.pending.join(', ')}] (the daemon copies the records, then applies them, when it starts)`,
      };
    case 'incompatible':
      return {
        status: 2,
        text: `incompatible: ${found.writer === undefined ? 'a newer version of banger' : `banger ${found.writer}`} wrote the records, with schema ${found.schema}`,
      };
    default:
      return found satisfies never;
  }
}

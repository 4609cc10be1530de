import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureDefaultImage } from '../scripts/test/default-image.ts';
import { messageOf } from '../src/base/errors.ts';
import { writeFileAtomic } from '../src/base/files/atomic-file.ts';
import { openLab } from './lab.ts';
import { describeMachine } from './machine.ts';
import type { Row, UnmeasuredRow } from './measurement.ts';
import { MEASUREMENTS } from './measurements.ts';
import { markdownTable } from './table.ts';
import { withVm } from './with-vm.ts';

const ROOT = join(import.meta.dirname, '..');
const USAGE = `usage: npm run bench -- [--quick] [--write] [MEASUREMENT]...

  --quick   few runs and a small tree: figures to look at, not to publish
  --write   put the table into docs/performance.md

measurements: ${MEASUREMENTS.map(({ name }) => name).join(', ')}
`;

/** Where the table goes in docs/performance.md. */
const BEGIN_MARK = '<!-- begin of the measured table -->\n';
const END_MARK = '<!-- end of the measured table -->';

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interrupt.abort(new Error(`interrupted by ${signal}`)));
}
try {
  process.exitCode = await main(interrupt.signal);
} catch (error) {
  // What went wrong first is inside, when cleaning up went wrong too.
  const all = error instanceof SuppressedError ? [error.suppressed, error.error] : [error];
  for (const one of all) process.stderr.write(`error: ${messageOf(one)}\n`);
  process.exitCode = 1;
}

/** Measures and prints the table; a goal that is missed is shown there, and no failure. */
async function main(signal: AbortSignal): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: 'boolean' }, write: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const wanted = MEASUREMENTS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  await ensureDefaultImage(ROOT);
  await using lab = await openLab(ROOT, { signal });
  const rows: (Row | UnmeasuredRow)[] = [];
  for (const measurement of wanted) {
    process.stderr.write(`==> ${measurement.name}\n`);
    rows.push(...(await measurement.run(lab, { isQuick: values.quick ?? false, signal })));
  }
  const machine = await withVm(lab, { signal }, ({ runtime }) =>
    describeMachine({ vmm: runtime?.vmm ?? '', accelerator: runtime?.accelerator ?? '', signal }),
  );
  const text = `${machine}.\n\n${markdownTable(rows)}`;
  process.stdout.write(text);
  if (values.write) await writeInto(join(ROOT, 'docs', 'performance.md'), text);
  return 0;
}

async function writeInto(path: string, text: string): Promise<void> {
  const old = await readFile(path, 'utf8');
  const [before, rest] = old.split(BEGIN_MARK);
  const [, after] = rest?.split(END_MARK) ?? [];
  if (before === undefined || after === undefined) {
    throw new Error(`Cannot write the table to "${path}": its marks are missing`);
  }
  await writeFileAtomic(path, `${before}${BEGIN_MARK}\n${text}\n${END_MARK}${after}`, { mode: 0o644 });
}

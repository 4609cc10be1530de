import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureDefaultImage } from '../scripts/test/default-image.ts';
import type { Abortable } from '../src/base/abort.ts';
import { messageOf } from '../src/base/errors.ts';
import { interruptSignal } from '../test/support/interrupt-signal.ts';
import { type Lab, openLab } from './lab.ts';
import { describeMachine } from './machine.ts';
import type { Measured } from './measurement.ts';
import { MEASUREMENTS } from './measurements.ts';
import { compare, problemsOf } from './report/compare.ts';
import { parseExpectations } from './report/expectations.ts';
import { jsonDocument } from './report/json.ts';
import { markdownTable } from './report/table.ts';
import { drawCharts, writePage } from './report/write-page.ts';
import { withVm } from './with-vm.ts';

const ROOT = join(import.meta.dirname, '..');
const named = (isOnRequest: boolean): string =>
  MEASUREMENTS.filter((one) => (one.isOnRequest ?? false) === isOnRequest)
    .map(({ name }) => name)
    .join(', ');
const USAGE = `usage: npm run bench -- [--quick] [--write] [--json] [--check] [--tree DIR] [MEASUREMENT]...
       npm run bench -- --charts

  --quick   few runs and a small tree: figures to look at, not to publish
  --write   put the table into docs/performance.md, and draw its charts in docs/charts
  --charts  only draw the charts of the figures that docs/performance.md has; measures nothing
  --json    print one JSON document instead of the table (npm run --silent bench -- --json)
  --check   exit with 1 when a row is beyond its ceiling in bench/expectations.json, or has none
  --tree    a git working tree for large-tree, which measures a copy of it; without one it makes its own,
            of 78,000 files. Linux's sources, for example, on Debian:
              apt-get download linux-source-6.1 && dpkg-deb -x linux-source-6.1_*.deb .
              tar -xf usr/src/linux-source-6.1.tar.xz && cd linux-source-6.1
              git init && git add --force . && git commit --quiet --message linux

measurements: ${named(false)}
only when named: ${named(true)}
`;

try {
  process.exitCode = await main(interruptSignal());
} catch (error) {
  // When cleanup failed too, the first error is inside the suppressed one.
  const all = error instanceof SuppressedError ? [error.suppressed, error.error] : [error];
  for (const one of all) process.stderr.write(`error: ${messageOf(one)}\n`);
  process.exitCode = 1;
}

/**
 * Measures and prints the figures. A missed goal is only shown; what `--check` finds is a failure.
 */
async function main(signal: AbortSignal): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean' },
      write: { type: 'boolean' },
      charts: { type: 'boolean' },
      json: { type: 'boolean' },
      check: { type: 'boolean' },
      tree: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (values.charts) {
    await drawCharts(ROOT);
    return 0;
  }
  const unknown = positionals.filter((name) => !MEASUREMENTS.some((one) => one.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`error: there is no measurement "${unknown.join('", "')}"\n${USAGE}`);
    return 2;
  }
  const expectations = parseExpectations(await readFile(join(ROOT, 'bench', 'expectations.json'), 'utf8'));
  const wanted = MEASUREMENTS.filter(({ name, isOnRequest = false }) =>
    positionals.length === 0 ? !isOnRequest : positionals.includes(name),
  );
  const tree = values.tree === undefined ? undefined : resolve(values.tree);
  await ensureDefaultImage(ROOT);
  await using lab = await openLab(ROOT, { signal });
  const measured: Measured[] = [];
  for (const measurement of wanted) {
    process.stderr.write(`==> ${measurement.name}\n`);
    const rows = await measurement.run(lab, { isQuick: values.quick ?? false, tree, signal });
    measured.push({ measurement: measurement.name, rows });
  }
  const rows = measured.flatMap((one) => one.rows);
  process.stdout.write(values.json ? jsonDocument(compare(measured, expectations)) : markdownTable(rows));
  if (values.write) {
    const text = `${await machineOf(lab, { signal })}.\n\n${markdownTable(rows)}`;
    await writePage(ROOT, text);
  }
  const problems = values.check ? problemsOf(measured, expectations) : [];
  for (const problem of problems) process.stderr.write(`beyond expectations: ${problem}\n`);
  return problems.length > 0 ? 1 : 0;
}

/** Describes the machine for a published table. It starts a VM, which knows its accelerator. */
async function machineOf(lab: Lab, { signal }: Abortable): Promise<string> {
  return await withVm(lab, { signal }, ({ runtime }) =>
    describeMachine({ vmm: runtime?.vmm ?? '', accelerator: runtime?.accelerator ?? '', signal }),
  );
}

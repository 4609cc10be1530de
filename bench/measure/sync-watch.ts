import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../src/base/abort.ts';
import { execStream } from '../../src/base/process/exec.ts';
import { LineSplitter } from '../../src/base/text/line-splitter.ts';
import { resultOf } from '../../src/sdk/work.ts';
import { makeRepository } from '../make-repository.ts';
import type { Measurement } from '../measurement.ts';
import { firstAndRest, median } from '../stats.ts';
import { repeat, timed } from '../timing.ts';
import { withVm } from '../with-vm.ts';

/** Files of the working tree. */
const FILES = 1_000;

/** `ms` between two saves. */
const PAUSE_MS = 500;

/** Prints the first line of the file `saved` whenever it has changed; looks every 4 ms. */
const LOOK = `$| = 1; my $last = "";
while (1) { if (open my $file, "<", "saved") { my $line = <$file> // ""; chomp $line;
if ($line ne $last) { print "$line\\n"; $last = $line } } select undef, undef, undef, 0.004 }`;

/** How long a saved file takes to be seen in a guest, with `vm workspace sync --watch`. */
export const syncWatch: Measurement = {
  name: 'sync-watch',
  run: (lab, { isQuick, signal }) =>
    withVm(lab, { signal }, async (vm) => {
      const runs = isQuick ? 5 : 20;
      const tree = join(lab.scratch, 'watched');
      await makeRepository(tree, FILES, { signal });
      const file = join(tree, 'saved');
      await writeFile(file, '\n');
      const git = ['git', '-C', tree, 'add', 'saved'] as const;
      await execStream(git, { signal }).done;
      await resultOf(lab.client.prepareWorkspace(vm.id, { path: tree }, { signal }));
      const stop = new AbortController();
      const argv = [lab.banger, 'vm', 'workspace', 'sync', vm.name, '--watch'] as const;
      const sync = execStream(argv, { env: lab.env, signal: AbortSignal.any([signal, stop.signal]) });
      sync.stdout.resume();
      using seen = await lab.client.exec(
        vm.id,
        { argv: ['perl', '-e', LOOK], cwd: '/root/repo' },
        { signal },
      );
      const lines = linesOf(seen.output());
      let number = 0;
      const save = async (): Promise<number> => {
        number += 1;
        const text = `save ${number}`;
        const ms = await timed(async () => {
          await writeFile(file, `${text}\n`);
          for (let line = ''; line !== text; ) line = (await lines.next()).value ?? text;
        });
        await sleep(PAUSE_MS, { signal });
        return ms;
      };
      const saves = await repeat(runs, save);
      stop.abort();
      await sync.done.catch(() => {});
      const floors = await repeat(runs, () =>
        timed(async () => {
          using session = await lab.client.exec(vm.id, { argv: ['true'] }, { signal });
          await session.collect();
        }),
      );
      return [
        {
          name: 'saved-file',
          what: `a saved file of a working tree of ${FILES.toLocaleString('en')} files is seen in the guest, with \`vm workspace sync --watch\``,
          unit: 'ms',
          ...firstAndRest(saves),
          floor: median(floors),
          floorIs: 'exec of `true` through the API',
          runs,
          goals: [{ median: 150 }],
        },
      ];
    }),
};

async function* linesOf(
  output: AsyncIterable<{ kind: string; chunk?: Buffer }>,
): AsyncGenerator<string, void, undefined> {
  const splitter = new LineSplitter();
  for await (const { kind, chunk } of output) {
    if (kind === 'stdout' && chunk) yield* splitter.push(chunk);
  }
}

import { join } from 'node:path';
import { addCounts, type Counts, NO_COUNTS } from './counts.ts';
import { type NodeTestOptions, runNodeFiles } from './node-tests.ts';
import { ownFolderOf } from './own-folder.ts';
import { hostProcesses, killAll, processesOf } from './processes.ts';
import type { FileResult } from './test-report.ts';

/** When more files than this fail, it is no coincidence, and none of them runs again. */
const MOST_FLAKY_FILES = 5;

/** Set to 0, no file runs twice. */
const RETRY_VARIABLE = 'BANGER_TEST_RETRY';

/**
 * Runs node:test files whose tests look at real processes or VMs. A file that fails runs once more after the
 * others, alone, also without the processes that its first run has left. When it passes then, it counts as
 * passed and is listed as flaky, with everything about its first run. When it fails again, both are shown.
 */
export async function runFolder(files: readonly string[], options: NodeTestOptions): Promise<Counts> {
  const { write } = options;
  const results = await runNodeFiles(files, options);
  const failed = results.filter(({ counts }) => counts.failed > 0);
  const isRepeated = process.env[RETRY_VARIABLE] !== '0' && failed.length <= MOST_FLAKY_FILES;
  const counted: Counts[] = [];
  for (const result of results) {
    const { file, counts, failures, output } = result;
    if (counts.failed === 0 || file === '' || !isRepeated) {
      write(output);
      counted.push(counts);
      continue;
    }
    write(`once more, because it failed: ${file}\n`);
    const again = await runAlone(file, options);
    if (again.failed === 0) {
      write(`FLAKY ${file}\n${failures}${output}`);
      counted.push({ ...again, flakyFiles: [file] });
    } else {
      write(output);
      counted.push(counts);
    }
  }
  return counted.reduce(addCounts, NO_COUNTS);
}

async function runAlone(file: string, options: NodeTestOptions): Promise<Counts> {
  const folder = ownFolderOf(options.scratch, join(options.root, file));
  killAll(processesOf(folder, hostProcesses()));
  const results: FileResult[] = await runNodeFiles([file], { ...options, concurrency: 1 });
  for (const { output } of results) options.write(output);
  return results.map(({ counts }) => counts).reduce(addCounts, NO_COUNTS);
}

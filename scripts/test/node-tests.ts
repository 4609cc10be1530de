import { join } from 'node:path';
import { run } from 'node:test';
import { NODE_FLAGS } from '../../src/config/node-flags.ts';
import { addCounts, type Counts, NO_COUNTS } from './counts.ts';
import { endOverdue } from './overdue.ts';
import { ownFolderOf } from './own-folder.ts';
import { type EndedTest, type FileResult, TestReport } from './test-report.ts';

/** How a set of test files is run. */
export interface NodeTestOptions {
  root: string;
  /** files at a time, each a process of its own */
  concurrency: number;
  /** most `ms` that one test may take */
  timeoutMs: number;
  /** most `ms` that one file may take */
  fileTimeoutMs: number;
  /** where tests make their folders, each file in one of its own: `TMPDIR` of this process */
  scratch: string;
  /** paths of the logs that tests have written so far */
  logs: () => readonly string[];
  write: (text: string) => void;
  /** called at once when a test fails; usually before the cleanup of its file */
  onFailure: () => void;
  /** called as each test ends */
  onTest?: (test: EndedTest) => void;
  /** runs only tests that match, by their suite's name, a space and their own; default: all */
  only?: RegExp | undefined;
  /** full names, as in {@link EndedTest}, of tests that are neither run nor counted */
  leaveOut?: readonly string[];
}

const PRELOADED = ['own-folder-of-test.ts', 'fail-on-warning.ts', 'property-seed.ts'];

/**
 * Runs node:test files. Writes one line for each file, and everything that a failing file printed. A process
 * warning fails its file. A file that cannot be loaded or that exits early counts as one failed test.
 */
export async function runNodeTests(files: readonly string[], options: NodeTestOptions): Promise<Counts> {
  const results = await runNodeFiles(files, options);
  for (const { output } of results) options.write(output);
  return results.map(({ counts }) => counts).reduce(addCounts, NO_COUNTS);
}

/** As {@link runNodeTests}, but returns what failing files printed instead of writing it. */
export async function runNodeFiles(
  files: readonly string[],
  options: NodeTestOptions,
): Promise<FileResult[]> {
  const report = new TestReport(options);
  const paths = files.map((file) => join(options.root, file));
  const { concurrency, fileTimeoutMs: limitMs, scratch, only, leaveOut = [], ...rest } = options;
  const folderOf = (file: string): string => ownFolderOf(scratch, file);
  using _overdue = endOverdue({ ...rest, files: paths, limitMs, folderOf });
  const events = run({
    cwd: options.root,
    files: paths,
    concurrency,
    timeout: options.timeoutMs,
    ...(only ? { testNamePatterns: only } : {}),
    ...(leaveOut.length > 0
      ? { testSkipPatterns: leaveOut.map((name) => new RegExp(`^${literally(name)}$`)) }
      : {}),
    execArgv: [...NODE_FLAGS, ...PRELOADED.flatMap((name) => ['--import', join(import.meta.dirname, name)])],
  });
  events.on('test:complete', ({ details }) => {
    if (!details.passed) options.onFailure();
  });
  events.on('test:start', (event) => report.started(event));
  events.on('test:pass', (event) => report.passed(event));
  events.on('test:fail', (event) => report.failed(event));
  events.on('test:stdout', (event) => report.printed(event));
  events.on('test:stderr', (event) => report.printed(event));
  events.on('test:summary', (event) => report.ended(event));
  events.resume();
  await new Promise((resolve, reject) => events.once('end', resolve).once('error', reject));
  return report.results();
}

/** A pattern that matches `text` itself. */
export function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

import { join } from 'node:path';
import { run } from 'node:test';
import { NODE_FLAGS } from '../../src/config/node-flags.ts';
import type { Counts } from './counts.ts';
import { endOverdue } from './overdue.ts';
import { type EndedTest, TestReport } from './test-report.ts';

/** How a set of test files is run. */
export interface NodeTestOptions {
  root: string;
  /** files at a time, each a process of its own */
  concurrency: number;
  /** most `ms` that one test may take */
  timeoutMs: number;
  /** most `ms` that one file may take */
  fileTimeoutMs: number;
  /** where tests make their folders */
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

const PRELOADED = ['fail-on-warning.ts', 'property-seed.ts'];

/**
 * Runs node:test files. Writes one line for each file, and everything that a failing file printed. A process
 * warning fails its file. A file that cannot be loaded or that exits early counts as one failed test.
 */
export async function runNodeTests(files: readonly string[], options: NodeTestOptions): Promise<Counts> {
  const report = new TestReport(options);
  const paths = files.map((file) => join(options.root, file));
  const { concurrency, fileTimeoutMs: limitMs, scratch, only, leaveOut = [], ...rest } = options;
  using _overdue = endOverdue({
    ...rest,
    files: paths,
    limitMs,
    scratch: concurrency === 1 ? scratch : undefined,
  });
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
  return report.finish();
}

/** A pattern that matches `text` itself. */
export function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

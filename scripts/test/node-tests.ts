import { join } from 'node:path';
import { run } from 'node:test';
import type { Counts } from './counts.ts';
import { TestReport } from './test-report.ts';

/** How a set of test files is run. */
export interface NodeTestOptions {
  root: string;
  /** files at a time, each a process of its own */
  concurrency: number;
  /** most `ms` that one test may take */
  timeoutMs: number;
  write: (text: string) => void;
  /** called at once when a test has failed, before its file's cleanup if there is any luck */
  onFailure: () => void;
}

const PRELOADED = ['fail-on-warning.ts', 'property-seed.ts'];

/**
 * Runs node:test files and writes a line for each file, and all that a failing one printed. A process warning fails its file. A file that
 * cannot be loaded, or exits early, counts as one failed test.
 */
export async function runNodeTests(files: readonly string[], options: NodeTestOptions): Promise<Counts> {
  const report = new TestReport(options);
  const events = run({
    cwd: options.root,
    files: files.map((file) => join(options.root, file)),
    concurrency: options.concurrency,
    timeout: options.timeoutMs,
    execArgv: PRELOADED.flatMap((name) => ['--import', join(import.meta.dirname, name)]),
  });
  events.on('test:complete', ({ details }) => {
    if (!details.passed) options.onFailure();
  });
  events.on('test:start', (event) => report.started(event));
  events.on('test:fail', (event) => report.failed(event));
  events.on('test:stdout', (event) => report.printed(event));
  events.on('test:stderr', (event) => report.printed(event));
  events.on('test:summary', (event) => report.ended(event));
  events.resume();
  await new Promise((resolve, reject) => events.once('end', resolve).once('error', reject));
  return report.finish();
}

import { appendFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EndedTest } from '../../scripts/test/test-report.ts';
import type { Abortable } from '../../src/base/abort.ts';
import type { Host, StartHost } from './host.ts';
import { type HostCheck, LOAD_KVM } from './host-checks.ts';
import { type CheckResult, runCheck } from './run-check.ts';
import { formatTestLine } from './test-lines.ts';

/** Which checks to run, and where to write the results. */
export interface ChecksRequest {
  startHost: StartHost;
  checks: readonly HostCheck[];
  /** only checks whose name contains this, and those that all others need; '' means all */
  only: string;
  /** only tests whose name contains this, for a check that is a suite */
  onlyTest: string | undefined;
  logsDir: string;
  say: (text: string) => void;
}

/**
 * With QEMU's emulation of AMD's virtualization, the host's kernel sometimes panics in an interrupt, with the
 * segment base of a guest. That is not a fault of the product: the host is started again and the check
 * repeated, a suite from the interrupted test on. For the product this is a power cut, which it must survive
 * anyway.
 */
const MAX_PANICS = 8;

/** Runs the checks, in a host that is started again after each panic of its kernel. */
export class ChecksRun {
  readonly #request: ChecksRequest;
  #host: Host | undefined;
  panics = 0;
  passed = 0;
  failed = 0;
  skipped = 0;

  constructor(request: ChecksRequest) {
    this.#request = request;
  }

  async run({ signal }: Abortable): Promise<void> {
    const { logsDir, only } = this.#request;
    await rm(logsDir, { recursive: true, force: true });
    await mkdir(logsDir, { recursive: true });
    try {
      await this.#start({ signal });
      for (const check of this.#request.checks) {
        if (check.isNeeded || check.name.includes(only)) await this.#check(check, { signal });
      }
      await this.#host?.copyLogs(logsDir, { signal });
    } finally {
      await this.#host?.[Symbol.asyncDispose]();
    }
  }

  async #check(check: HostCheck, { signal }: Abortable): Promise<void> {
    const tests: EndedTest[] = [];
    let result = await this.#attempt(check, tests, { signal });
    tests.push(...result.tests);
    while (result.isHostLost && this.panics < MAX_PANICS && (await this.#host?.hasPanicked())) {
      this.panics += 1;
      await this.#host?.copyConsole(join(this.#request.logsDir, `host-panic-${this.panics}.log`));
      this.#request.say(`     the host's kernel panicked; once more, in a host that is started again`);
      await this.#start({ signal });
      await this.#attempt(LOAD_KVM, [], { signal });
      result = await this.#attempt(check, tests, { signal });
      tests.push(...result.tests);
    }
    this.#count(check, result, tests);
  }

  async #start({ signal }: Abortable): Promise<void> {
    await this.#host?.[Symbol.asyncDispose]();
    this.#host = undefined;
    const begun = performance.now();
    this.#host = await this.#request.startHost({ signal });
    this.#request.say(`the host is ready after ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  }

  async #attempt(check: HostCheck, ended: readonly EndedTest[], { signal }: Abortable): Promise<CheckResult> {
    if (!this.#host) throw new Error('the host does not run');
    const { onlyTest, logsDir, say } = this.#request;
    const log = join(logsDir, `${check.name.replace(/[^a-z0-9]+/gi, '-')}.log`);
    const filter = onlyTest === undefined ? [] : ['--test', onlyTest];
    const args = check.isSuite ? [...filter, '--', ...ended.map(({ name }) => name)] : [];
    let writing = Promise.resolve();
    const onOutput = (text: string): void => {
      writing = writing.then(() => appendFile(log, text));
    };
    const onTest = (test: EndedTest): void => say(`     ${formatTestLine(test).trimEnd()}`);
    const result = await runCheck(this.#host.agent, check, { args, onOutput, onTest, signal });
    await writing;
    if (result.problem) await appendFile(log, `\nFAIL: ${result.problem}\n`);
    return result;
  }

  #count(check: HostCheck, { problem, seconds }: CheckResult, tests: readonly EndedTest[]): void {
    const of = (outcome: EndedTest['outcome']): number => tests.filter((t) => t.outcome === outcome).length;
    const hasFailed = problem !== undefined;
    this.skipped += of('skipped');
    this.passed += check.isSuite ? of('passed') : hasFailed ? 0 : 1;
    this.failed += Math.max(of('failed'), hasFailed || (check.isSuite && of('passed') === 0) ? 1 : 0);
    this.#request.say(`${hasFailed ? 'FAIL' : 'ok  '} ${check.name} (${seconds.toFixed(1)} s)`);
    if (hasFailed) this.#request.say(`     ${problem}`);
  }
}

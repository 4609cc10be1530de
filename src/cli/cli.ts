import { isAppError } from '../base/errors.ts';
import { isColorOff, isProgressPlain, type Settings } from '../config/settings.ts';
import { CATALOG } from './commands.ts';
import { type CommandContext, createContext } from './context/context.ts';
import { exitStatusOf } from './context/exit-status.ts';
import { type Interrupts, listenToInterrupts } from './context/interrupts.ts';
import type { CliIo } from './context/io.ts';
import { createSink, OutputClosedError } from './context/output.ts';
import { SpanRecorder } from './context/spans.ts';
import { DEFAULT_HELP_WIDTH } from './program/help.ts';
import { type ParsedLine, parseLine } from './program/program.ts';
import { createProgress, progressMode } from './render/progress.ts';
import { createStyle } from './render/style.ts';
import { versionLine } from './render/version.ts';

/**
 * Runs the command line `argv` (without program names) and returns the exit status. Never rejects. When it
 * returns, everything that it started has ended, except the daemon, and its output has been written.
 */
export async function main(argv: readonly string[], io: CliIo): Promise<number> {
  using interrupts = listenToInterrupts(io.signals);
  const isColored = (stream: { isTTY?: boolean }): boolean => stream.isTTY === true && !isColorOff(io.env);
  const stdout = createSink(io.stdout, interrupts.end);
  const stderr = createSink(io.stderr);
  const errorStyle = createStyle({ isColored: isColored(io.stderr) });
  const style = createStyle({ isColored: isColored(io.stdout) });
  const words = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  const isVerbose = words.includes('-v') || words.includes('--verbose');
  const mode = progressMode({
    isTerminal: stderr.isTerminal,
    isVerbose,
    isPlain: isProgressPlain(io.env),
  });
  using progress = createProgress(stderr, { mode, style: errorStyle });
  const spans = new SpanRecorder();
  const context = createContext({
    ...{ io, interrupts, stdout, stderr, style, errorStyle, progress, spans },
    isVerbose,
  });
  let runsGuestCommand = false;
  let status: number;
  try {
    const parsed = await parse(argv, words, context);
    if (parsed.kind === 'text') {
      await context.print(parsed.text);
      status = 0;
    } else {
      runsGuestCommand = parsed.definition.runsGuestCommand ?? false;
      io.setCrashStatus(exitStatusOf(undefined, { runsGuestCommand }));
      status = await untilGivenUp(parsed.definition.run(parsed.invocation, context), interrupts);
      const { timings, json } = parsed.invocation.options;
      if (timings === true && json !== true) await tellTimings(context);
    }
  } catch (error) {
    progress.clear();
    status = exitStatusOf(error, { runsGuestCommand });
    await tell(error, { context, isJson: words.includes('--json') });
  }
  await Promise.all([stdout.flushed(), stderr.flushed()]);
  return status;
}

/**
 * Help shows the configured defaults, so the config file is read first, but only for help. An invalid config
 * file must not prevent help.
 */
async function parse(
  argv: readonly string[],
  words: readonly string[],
  context: CommandContext,
): Promise<ParsedLine> {
  const isHelp = words.includes('--help') || words.includes('-h') || words[0] === 'help';
  const settings = isHelp ? await settingsIfValid(context) : undefined;
  return parseLine(argv, {
    catalog: CATALOG,
    help: { settings, width: Math.min(context.stdout.columns ?? DEFAULT_HELP_WIDTH, DEFAULT_HELP_WIDTH) },
    versionLine: versionLine(context.io.build),
  });
}

async function settingsIfValid(context: CommandContext): Promise<Settings | undefined> {
  try {
    return await context.settings();
  } catch (error) {
    if (isAppError(error)) return undefined;
    throw error;
  }
}

/** At the second signal, does not wait for a command that is still cleaning up. */
async function untilGivenUp(work: Promise<number>, { giveUp }: Interrupts): Promise<number> {
  const { promise, reject } = Promise.withResolvers<never>();
  const listener = (): void => reject(giveUp.reason);
  giveUp.addEventListener('abort', listener, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    giveUp.removeEventListener('abort', listener);
  }
}

/** Writes to stderr, because stdout carries only the result of the command. */
async function tellTimings(context: CommandContext): Promise<void> {
  const { spansTable } = await import('./render/spans.ts');
  context.progress.clear();
  context.stderr.put(spansTable(context.spans.spans()));
}

/** Reports an error to the user: as text on stderr, or with `--json` as the one JSON value on stdout. */
async function tell(
  error: unknown,
  { context, isJson }: { context: CommandContext; isJson: boolean },
): Promise<void> {
  if (error instanceof OutputClosedError) return;
  const { renderError, renderErrorJson } = await import('./render/error.ts');
  if (isJson) {
    context.stdout.put(renderErrorJson(error));
    return;
  }
  const { logPath, isDebug } = await logPlace(context);
  context.stderr.put(renderError(error, { style: context.errorStyle, logPath, isDebug }));
}

async function logPlace(context: CommandContext): Promise<{ logPath: string | undefined; isDebug: boolean }> {
  const isDebug = context.io.env['BANGER_LOG_LEVEL'] === 'debug';
  try {
    return { logPath: context.paths().daemonLogFile, isDebug };
  } catch (error) {
    if (isAppError(error)) return { logPath: undefined, isDebug };
    throw error;
  }
}

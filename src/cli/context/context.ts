import type { Abortable } from '../../base/abort.ts';
import { printable } from '../../base/errors.ts';
import { jsonText } from '../../base/text/unprintable.ts';
import { daemonEnvironment } from '../../config/daemon-process.ts';
import type { Paths } from '../../config/paths.ts';
import { resolvePaths, type Settings } from '../../config/settings.ts';
import { buildLabel } from '../../protocol/build-info.ts';
import { proxiesOf } from '../../protocol/proxy-variables.ts';
import type { BangerClient } from '../../sdk/client.ts';
import type { DaemonPlaces } from '../../sdk/find-daemon.ts';
import type { Work, WorkNews } from '../../sdk/work.ts';
import { specLine } from '../render/format.ts';
import type { Progress } from '../render/progress.ts';
import type { Style } from '../render/style.ts';
import { isFirstSinceBoot } from './host-notices.ts';
import type { Interrupts } from './interrupts.ts';
import type { CliIo } from './io.ts';
import type { Sink } from './output.ts';
import type { SpanRecorder } from './spans.ts';

/** What every command can use. */
export interface CommandContext extends Abortable {
  readonly io: CliIo;
  readonly interrupts: Interrupts;
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** colours of stdout */
  readonly style: Style;
  /** colours of stderr */
  readonly errorStyle: Style;
  readonly progress: Progress;
  /** measures where the time goes, for `--timings` */
  readonly spans: SpanRecorder;
  /** Paths on this host. */
  paths(): Paths;
  /** Reads the config file, once. */
  settings(): Promise<Settings>;
  /** Returns the socket of the daemon, and starts the daemon when it is not running. */
  ensureDaemon(options?: Abortable): Promise<string>;
  /**
   * Returns a client of the daemon, and starts the daemon when it is not running. Cleanup passes its own
   * signal.
   */
  client(options?: Abortable): Promise<BangerClient>;
  /** Returns a client of the daemon, or `undefined` when the daemon is not running. */
  clientIfRunning(): Promise<BangerClient | undefined>;
  /** Returns the socket that the daemon listens on, or `undefined` when it is not running. */
  daemonSocket(): Promise<string | undefined>;
  /** Prints lines to stdout. */
  print(text: string): Promise<void>;
  /** Prints one JSON value to stdout, indented. */
  printJson(value: unknown): Promise<void>;
  /** Prints a line of advice to stderr. */
  notice(text: string): void;
  /** Prints a warning to stderr. */
  warn(text: string): void;
  /** Returns a function that shows the news of long-running work; `label` is the command that started it. */
  showNews(label: string): (news: WorkNews) => void;
  /** Waits for the result of long-running work, and shows its news meanwhile. */
  follow<T>(work: Work<T>, label: string): Promise<T>;
}

/** What {@link createContext} needs. */
export interface ContextParts {
  io: CliIo;
  interrupts: Interrupts;
  stdout: Sink;
  stderr: Sink;
  style: Style;
  errorStyle: Style;
  progress: Progress;
  spans: SpanRecorder;
  /** with `-v` */
  isVerbose: boolean;
}

/** Creates the context of one command. Reads files and connects only on demand. */
export function createContext(parts: ContextParts): CommandContext {
  const { io, stdout, progress, errorStyle, isVerbose } = parts;
  const { signal } = parts.interrupts;
  let settings: Settings | undefined;
  let hasWarnedOfVersion = false;

  const notice = (text: string): void => progress.line(printable(text));
  const warn = (text: string): void => progress.line(`${errorStyle.yellow('warning:')} ${printable(text)}`);
  const onDaemonVersion = (label: string): void => {
    if (hasWarnedOfVersion || label === buildLabel(io.build)) return;
    hasWarnedOfVersion = true;
    warn(
      `the daemon is build ${label}, this command is build ${buildLabel(io.build)}; to run the same build: banger daemon stop`,
    );
  };
  const paths = (): Paths => resolvePaths(io.env);
  const isNewSinceBoot = (message: string): boolean =>
    isFirstSinceBoot(message, { file: paths().hostNoticesFile });

  const daemonSocket = async (): Promise<string | undefined> => {
    const { findDaemon } = await import('../../sdk/find-daemon.ts');
    return await findDaemon(daemonPlaces(paths()), { signal });
  };

  const ensureDaemon = async (options: Abortable = { signal }): Promise<string> => {
    if (paths().isService) {
      const { requireService } = await import('../system/require-service.ts');
      return await requireService(daemonSocket, {
        io,
        signal: options.signal,
        onWait: () => progress.step('daemon', 'waiting for its service'),
      });
    }
    const { ensureDaemon: ensure } = await import('../../sdk/ensure-daemon.ts');
    return await ensure({
      ...daemonPlaces(paths()),
      daemonArgv: io.daemonArgv,
      env: daemonEnvironment(io.env),
      signal: options.signal,
      onStart: () => progress.step('daemon', 'starting'),
    });
  };

  const showNews = (label: string) => (news: WorkNews) => {
    switch (news.event) {
      case 'progress':
        parts.spans.begin(news.stage);
        return progress.step(label, news.detail ? `${news.stage}: ${news.detail}` : news.stage);
      case 'operation':
        return undefined;
      case 'notice':
        if (news.isOncePerBoot && !isVerbose && !isNewSinceBoot(news.message)) return undefined;
        return notice(news.message);
      case 'spec':
        return progress.line(specLine(news.shape));
      case 'output':
        return progress.line(printable(news.line));
      default:
        return news satisfies never;
    }
  };

  return {
    ...parts,
    signal,
    paths,
    showNews,
    async follow(work, label) {
      const { resultOf } = await import('../../sdk/work.ts');
      return await resultOf(work, showNews(label));
    },
    async settings() {
      const { loadSettings } = await import('../../config/load-settings.ts');
      settings ??= loadSettings(io.env);
      return settings;
    },
    ensureDaemon,
    async client(options) {
      parts.spans.begin('daemon');
      const [{ createClient }, socketPath] = await Promise.all([
        import('../../sdk/client.ts'),
        ensureDaemon(options),
      ]);
      return createClient({ socketPath, onDaemonVersion, proxies: proxiesOf(io.env) });
    },
    async clientIfRunning() {
      const socketPath = await daemonSocket();
      if (socketPath === undefined) return undefined;
      const { createClient } = await import('../../sdk/client.ts');
      return createClient({ socketPath, onDaemonVersion, proxies: proxiesOf(io.env) });
    },
    daemonSocket,
    async print(text) {
      progress.clear();
      await stdout.write(text.endsWith('\n') || text === '' ? text : `${text}\n`, { signal });
    },
    async printJson(value) {
      progress.clear();
      await stdout.write(`${jsonText(value, 2)}\n`, { signal });
    },
    notice,
    warn,
  };
}

function daemonPlaces(paths: Paths): DaemonPlaces {
  return {
    socketPath: paths.daemonSocket,
    isService: paths.isService,
    logPath: paths.daemonLogFile,
    async otherSockets() {
      const { otherDaemonSockets } = await import('../../config/daemon-places.ts');
      return otherDaemonSockets(paths);
    },
  };
}

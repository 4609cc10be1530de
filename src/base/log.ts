import { jsonText } from './text/unprintable.ts';

/**
 * Severity, lowest first. error: a request did not happen; warn: abnormal, nothing lost; info: rare and
 * important; debug: for us.
 */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Facts of one log line; errors are expanded to message, code, stack and causes. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where the parts of a program report what happened; injected, never global. */
export interface Logger {
  debug(msg: string, fields?: LogFields): void;
  info(msg: string, fields?: LogFields): void;
  warn(msg: string, fields?: LogFields): void;
  error(msg: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each line. */
  child(fields: LogFields): Logger;
}

/** Makes a logger that hands finished JSON lines (with newline) to `write`. */
export function createLogger(
  write: (line: string) => void,
  options: { level: LogLevel; fields?: LogFields },
): Logger {
  const least = LOG_LEVELS.indexOf(options.level);
  const log = (level: LogLevel, msg: string, fields: LogFields | undefined): void => {
    if (LOG_LEVELS.indexOf(level) < least) return;
    write(
      `${jsonText({ time: new Date().toISOString(), level, ...options.fields, msg, ...flatten(fields) })}\n`,
    );
  };
  return {
    debug: (msg, fields) => log('debug', msg, fields),
    info: (msg, fields) => log('info', msg, fields),
    warn: (msg, fields) => log('warn', msg, fields),
    error: (msg, fields) => log('error', msg, fields),
    child: (fields) => createLogger(write, { ...options, fields: { ...options.fields, ...fields } }),
  };
}

function flatten(fields: LogFields | undefined): LogFields {
  if (!fields) return {};
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? errorFacts(value) : value]),
  );
}

function errorFacts(error: Error): LogFields {
  // When cleanup fails after another error, the first error is hidden in `suppressed`.
  const inner = error instanceof SuppressedError ? [error.error, error.suppressed] : [error.cause];
  const causes = inner.filter((e): e is Error => e instanceof Error).map(errorFacts);
  return {
    name: error.name,
    message: error.message,
    ...('code' in error ? { code: error.code } : {}),
    stack: error.stack,
    ...(causes.length > 0 ? { causes } : {}),
  };
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from './errors.ts';
import { createLogger, type LogLevel } from './log.ts';

function collect(level: LogLevel) {
  const lines: string[] = [];
  const log = createLogger((line) => lines.push(line), { level, fields: { component: 'x' } });
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

test('each line is one JSON value with its time, level, fields and message', () => {
  const { log, lines, parsed } = collect('debug');
  log.child({ vm: 'web' }).info('a\nb', { count: 1 });
  assert.equal(lines[0]?.indexOf('\n'), (lines[0]?.length ?? 0) - 1);
  const { time, ...rest } = parsed()[0] ?? {};
  assert.deepEqual(rest, { level: 'info', component: 'x', vm: 'web', msg: 'a\nb', count: 1 });
  assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000);
});

test('messages below the level are dropped, also in child loggers', () => {
  const { log, parsed } = collect('warn');
  for (const logger of [log, log.child({})]) {
    logger.debug('d');
    logger.info('i');
    logger.warn('w');
    logger.error('e');
  }
  assert.deepEqual(
    parsed().map(({ msg }) => msg),
    ['w', 'e', 'w', 'e'],
  );
});

test('errors are logged with their code and causes, including the error that a failed cleanup hides', () => {
  const { log, parsed } = collect('debug');
  const cause = new AppError('INNER', 'inner');
  log.error('x', { error: new AppError('OUTER', 'outer', { cause }) });
  log.error('x', { error: new SuppressedError(new Error('cleanup'), cause, 'an error was suppressed') });
  const [first, second] = parsed().map(
    ({ error }) => error as { code?: string; causes: { message: string }[] },
  );
  assert.equal(first?.code, 'OUTER');
  assert.deepEqual(
    first.causes.map(({ message }) => message),
    ['inner'],
  );
  assert.deepEqual(
    second?.causes.map(({ message }) => message),
    ['cleanup', 'inner'],
  );
});

import { createLogger, type Logger } from '../../src/base/log.ts';

/** A logger that drops everything. */
export const nullLog: Logger = createLogger(() => {}, { level: 'error' });

import { AppError, printable } from '../../../../base/errors.ts';

/** An event that QEMU sends without being asked. */
export interface QmpEvent {
  event: string;
  data: Readonly<Record<string, unknown>>;
}

/** One line from QEMU in QMP ("QEMU Machine Protocol Specification", 2.2 and 2.4). */
export type QmpMessage =
  | { kind: 'greeting' }
  | ({ kind: 'event' } & QmpEvent)
  | { kind: 'return'; id: number; value: unknown }
  | { kind: 'error'; id: number; errorClass: string; text: string };

/**
 * Parses one line from QEMU.
 *
 * @throws {AppError} VMM_PROTOCOL when it is none of these, or does not say which request it answers.
 */
export function parseQmpMessage(line: string): QmpMessage {
  const message = asObject(parseJson(line));
  if (message) {
    const { event, data, id, error } = message;
    if (asObject(message['QMP'])) return { kind: 'greeting' };
    if (typeof event === 'string') return { kind: 'event', event, data: asObject(data) ?? {} };
    if (typeof id === 'number' && 'return' in message)
      return { kind: 'return', id, value: message['return'] };
    const fault = asObject(error);
    if (typeof id === 'number' && fault) {
      const { class: errorClass, desc } = fault;
      return {
        kind: 'error',
        id,
        errorClass: printable(String(errorClass)),
        text: printable(String(desc)).slice(0, 500),
      };
    }
  }
  throw protocolError(`it sent "${printable(line.slice(0, 80))}"`);
}

/** QEMU violates QMP. */
export function protocolError(problem: string, cause?: unknown): AppError {
  return new AppError('VMM_PROTOCOL', `Cannot understand the VMM on its control socket: ${problem}`, {
    cause,
  });
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as Readonly<Record<string, unknown>>;
}

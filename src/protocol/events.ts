import type { Abortable } from '../base/abort.ts';
import {
  anyOf,
  constant,
  count,
  list,
  number,
  object,
  optional,
  record,
  text,
  truth,
} from '../base/json-schema/build.ts';
import type { ValueOf } from '../base/json-schema/schema.ts';
import { vmShape } from './vm.ts';

/** Content type of a streamed answer: one JSON value a line. */
export const JSON_LINES_TYPE = 'application/jsonl';

const operationEvent = object({
  event: constant('operation'),
  id: text('the name of the operation for other clients'),
});

/** The first line of long work. */
export type OperationEvent = ValueOf<typeof operationEvent>;

const progressEvent = object({
  event: constant('progress'),
  stage: text('stable and short: `build image`'),
  detail: optional(text('for people')),
  bytes: optional(object({ done: count(), total: count() }, 'of what this stage moves')),
  elapsedMs: number('ms since the work began'),
});

/** One step of long work. */
export type ProgressEvent = ValueOf<typeof progressEvent>;

const noticeEvent = object({
  event: constant('notice'),
  message: text(),
  isOncePerBoot: optional(
    truth('it is about this host and true until its next boot: a client may show it only once until then'),
  ),
});

/** Something that the user must hear once, on a line of its own. */
export type NoticeEvent = ValueOf<typeof noticeEvent>;

const specEvent = object({ event: constant('spec'), name: text(), image: text(), shape: vmShape });

/** The shape that was resolved for a new VM, before it is made. */
export type SpecEvent = ValueOf<typeof specEvent>;

const outputEvent = object({ event: constant('output'), line: text('printed by a program of the user') });

/** A line that a program prints which the user has asked to run: the engine of a Dockerfile. */
export type OutputEvent = ValueOf<typeof outputEvent>;

/** The events that may come before the last line of long work. */
export const stepEvent = anyOf(operationEvent, progressEvent, noticeEvent, specEvent, outputEvent);

/** Body of every failed answer. Codes are listed in `docs/errors.md`. */
export const errorBody = object({
  code: text(),
  message: text(),
  hint: optional(text()),
  details: optional(record()),
  causes: optional(list(text(), 'messages of the causes, outermost first')),
});
export type ErrorBody = ValueOf<typeof errorBody>;

/** The last line of work that failed. */
export interface ErrorEvent {
  event: 'error';
  error: ErrorBody;
}

/** The last line of work that succeeded. For ephemeral VMs and packs, the stream stays open after it. */
export interface ResultEvent<T> {
  event: 'result';
  value: T;
}

export type WorkEvent<T> =
  | OperationEvent
  | ProgressEvent
  | NoticeEvent
  | SpecEvent
  | OutputEvent
  | ErrorEvent
  | ResultEvent<T>;

/** Takes what work has to say to the user while it lasts. */
export type Report = (event: ProgressStep | NoticeEvent | SpecEvent | OutputEvent) => void;

/** What long work is given: how to cancel it, and where it reports. */
export interface Task extends Abortable {
  report: Report;
}

/** A progress event without its time. */
export type ProgressStep = Omit<ProgressEvent, 'elapsedMs'>;

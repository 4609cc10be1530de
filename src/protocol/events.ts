import type { VmShape } from './vm.ts';

/** Content type of a streamed answer: one JSON value a line. */
export const JSON_LINES_TYPE = 'application/jsonl';

/** The first line of long work: by what id others know it. */
export interface OperationEvent {
  event: 'operation';
  id: string;
}

/** One step of long work. `stage` is stable and short (`build image`); `detail` is for people. */
export interface ProgressEvent {
  event: 'progress';
  stage: string;
  detail?: string;
  /** `ms` since the work began */
  elapsedMs: number;
}

/** Something the user must be told once, on a line of its own. */
export interface NoticeEvent {
  event: 'notice';
  message: string;
}

/** The shape that was resolved for a new VM, before it is made. */
export interface SpecEvent {
  event: 'spec';
  name: string;
  image: string;
  shape: VmShape;
}

/** The last line of work that failed. */
export interface ErrorEvent {
  event: 'error';
  error: ErrorBody;
}

/** The last line of work that succeeded; a `hold` request's stream stays open after it. */
export interface ResultEvent<T> {
  event: 'result';
  value: T;
}

export type WorkEvent<T> =
  | OperationEvent
  | ProgressEvent
  | NoticeEvent
  | SpecEvent
  | ErrorEvent
  | ResultEvent<T>;

/** Body of every failed answer. Codes are listed in `docs/errors.md`. */
export interface ErrorBody {
  code: string;
  message: string;
  hint?: string;
  details?: Readonly<Record<string, unknown>>;
  /** messages of the causes, outermost first */
  causes?: string[];
}

/** Where use cases tell how far they are. */
export type Report = (event: ProgressStep | NoticeEvent | SpecEvent) => void;

/** A progress event before it gets its time. */
export type ProgressStep = Omit<ProgressEvent, 'elapsedMs'>;

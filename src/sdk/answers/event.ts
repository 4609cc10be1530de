import type { NoticeEvent, OperationEvent, ProgressEvent, SpecEvent } from '../../protocol/events.ts';
import { type GuardOf, isNumber, isText, oneOf, optional, shapeOf } from '../guards.ts';
import { isShape } from './vm.ts';

const isBegun = shapeOf<OperationEvent>({ event: oneOf('operation'), id: isText });

const isProgress = shapeOf<ProgressEvent>({
  event: oneOf('progress'),
  stage: isText,
  detail: optional(isText),
  elapsedMs: isNumber,
});

const isNotice = shapeOf<NoticeEvent>({ event: oneOf('notice'), message: isText });

const isSpec = shapeOf<SpecEvent>({ event: oneOf('spec'), name: isText, image: isText, shape: isShape });

type Step = OperationEvent | ProgressEvent | NoticeEvent | SpecEvent;

/** The events that may come before the last line of long work. */
export const isStep: GuardOf<Step> = (value): value is Step =>
  isBegun(value) || isProgress(value) || isNotice(value) || isSpec(value);

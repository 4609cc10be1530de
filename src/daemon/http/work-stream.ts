import type { ServerResponse } from 'node:http';
import { errorBodyOf } from '../../protocol/error-body.ts';
import { JSON_LINES_TYPE, type Report, type WorkEvent } from '../../protocol/events.ts';
import { sendJson, statusOf } from './respond.ts';
import type { WorkResult } from './route.ts';

/**
 * Runs long work and streams what it tells as JSON lines. The answer's head is sent with the first event, so that work that is refused before it told anything
 * answers with a plain error and its status. Returns when the stream has ended, for held work when the client has gone and its cleanup is done.
 *
 * @throws what the work threw, after it was told to the client.
 */
export async function streamWork(
  response: ServerResponse,
  work: (report: Report) => Promise<WorkResult>,
): Promise<void> {
  const startedAt = performance.now();
  const send = (event: WorkEvent<unknown>): void => {
    if (!response.headersSent) response.writeHead(200, { 'content-type': JSON_LINES_TYPE });
    response.write(`${JSON.stringify(event)}\n`);
  };
  const report: Report = (event) => {
    if (event.event !== 'progress') send(event);
    else send({ ...event, elapsedMs: Math.round(performance.now() - startedAt) });
  };
  let result: WorkResult;
  try {
    result = await work(report);
  } catch (error) {
    const body = errorBodyOf(error);
    if (response.headersSent) {
      send({ event: 'error', error: body });
      response.end();
    } else sendJson(response, statusOf(error), body);
    throw error;
  }
  send({ event: 'result', value: result.value });
  if (result.onClientGone) {
    await gone(response);
    await result.onClientGone();
  } else response.end();
}

async function gone(response: ServerResponse): Promise<void> {
  if (response.destroyed) return;
  await new Promise<void>((resolve) => response.once('close', resolve));
}

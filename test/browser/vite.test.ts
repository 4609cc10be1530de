import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { NameServers } from '../../src/protocol/api/names.ts';
import { type Lab, openLab, SMALL } from '../e2e/support/lab.ts';
import { until } from '../support/until.ts';
import { type Chromium, type Page, startChromium } from './chromium.ts';
import { APP_DIR, CHROMIUM, NODE } from './tools.ts';

const PORT = 5_173;

/** `ms` for a page of an emulated guest, whose dev server has compiled nothing yet. */
const PAGE_MS = 4 * 60_000;

/** What a page that is loaded again does not have any more. */
const MARK = 'window.mark = "still here"';

describe('a page of a dev server with hot reload, in a browser', { concurrency: false }, () => {
  let lab: Lab;
  let chromium: Chromium;
  let address: string;
  let gatewayPort: number;

  before(async () => {
    lab = await openLab();
    await lab.text(['vm', 'create', '--name', 'page', ...SMALL]);
    await lab.text(['vm', 'cp', NODE, 'page:/usr/local/bin/node']);
    await lab.text(['vm', 'cp', APP_DIR, 'page:/root/app']);
    address = (await lab.text(['vm', 'show', 'page', '--format', '.guest_ip'])).trim();
    const { gateway } = JSON.parse(await lab.text(['dns', 'status', '--json'])) as NameServers;
    gatewayPort = gateway.port ?? 0;
    await inGuest('cd app && (setsid node node_modules/vite/bin/vite.js >/tmp/vite.log 2>&1 &)');
    let log = '';
    const isReady = async (): Promise<boolean> => {
      log = await inGuest('cat /tmp/vite.log');
      return log.includes('ready in');
    };
    // An emulated guest compiles all of it first.
    await until(isReady, { what: 'the dev server', everyMs: 1_000, deadlineMs: PAGE_MS }).catch((error) => {
      throw new Error(`the dev server printed: ${log}`, { cause: error });
    });
    chromium = await startChromium({
      program: CHROMIUM,
      profileDir: join(lab.scratch, 'profile'),
      vmAddress: address,
    });
  });
  after(async () => {
    await chromium?.[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  const inGuest = async (line: string): Promise<string> =>
    await lab.text(['vm', 'exec', 'page', '--', 'sh', '-c', `cd /root && ${line}`]);
  const write = (greeting: string): Promise<string> =>
    inGuest(`echo "export const greeting = '${greeting}';" > app/greeting.js`);
  const shows = async (page: Page, text: string): Promise<void> => {
    let shown: string | undefined;
    const isShown = async (): Promise<boolean> => {
      shown = await page.evaluate('document.querySelector("h1")?.textContent ?? document.body?.innerText');
      return shown === text;
    };
    const waiting = { what: `"${text}" in the page`, everyMs: 100, deadlineMs: PAGE_MS };
    await until(isShown, waiting).catch((error) => {
      const last = page.events.slice(-20).map(({ method }) => method);
      throw new Error(`the page shows "${shown}" after ${last.join(', ')}`, { cause: error });
    });
  };

  for (const [way, urlOf] of [
    ['the gateway', () => `http://page.localhost:${gatewayPort}/`],
    ["the gateway's name of its port", () => `http://${PORT}.page.localhost:${gatewayPort}/`],
    ["the VM's address", () => `http://${address}:${PORT}/`],
    ["the VM's name", () => `http://page.vm:${PORT}/`],
  ] as const) {
    test(`through ${way}: rendered, and a file that changes in the guest arrives over the WebSocket`, async () => {
      await write('first');
      const page = await chromium.open(urlOf());
      await shows(page, 'first');
      const frames = (): string[] =>
        page.events
          .filter(({ method }) => method === 'Network.webSocketFrameReceived')
          .map(({ params }) => (params['response'] as { payloadData: string }).payloadData);
      await until(() => frames().some((frame) => frame.includes('"connected"')));
      await page.evaluate(MARK);
      await write('second');
      await shows(page, 'second');
      assert.equal(await page.evaluate('window.mark'), 'still here', 'the page was loaded again');
      assert.ok(frames().some((frame) => frame.includes('js-update')));
    });
  }

  test('a connection to a suspended VM loads the page, and changes arrive again', async () => {
    await write('before');
    await lab.text(['vm', 'suspend', 'page']);
    const page = await chromium.open(`http://page.localhost:${gatewayPort}/`);
    await shows(page, 'before');
    await page.evaluate(MARK);
    await write('after');
    await shows(page, 'after');
    assert.equal(await page.evaluate('window.mark'), 'still here');
  });
});

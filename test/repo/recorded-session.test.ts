import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { castText, readCast } from '../../scripts/docs/session/cast.ts';
import { SESSION } from '../../scripts/docs/session/demo.ts';
import { lineSpans } from '../../scripts/docs/session/frames.ts';
import { recordSession } from '../../scripts/docs/session/record.ts';
import { sessionSvg } from '../../scripts/docs/session/session-svg.ts';

const ROOT = join(import.meta.dirname, '..', '..');

describe('the recorded session', () => {
  test('is drawn as it was recorded, and has every command', async () => {
    const text = await readFile(join(ROOT, 'assets', 'session.cast'), 'utf8');
    const cast = readCast(text);
    const svg = await sessionSvg(cast, { title: 'banger in a terminal' });
    const drawn = await readFile(join(ROOT, 'assets', 'session.svg'), 'utf8');
    assert.equal(drawn, svg, 'npm run record-session -- --draw draws it');
    assert.equal(castText(cast), text);
    const typed = cast.outputs.map((output) => output.text).join('');
    for (const command of SESSION) assert.ok(typed.includes(command), `${command} was recorded`);
    assert.ok(!/\/tmp\/|banger: /.test(typed), 'it shows no folder of the recording and no error');
  });

  test('runs the commands in a terminal, and records what it shows and when', async () => {
    const folder = import.meta.dirname;
    const options = { env: process.env, banger: '/bin/true', folder };
    const cast = await recordSession(['printf "\\033[31mred\\033[0m\\n"; sleep 0.2; tty -s && pwd'], options);
    const spans = await lineSpans(cast);
    const shown = (text: string) => spans.find(({ runs }) => runs.some((run) => run.text === text));
    const red = shown('red');
    assert.equal(red?.runs[0]?.colour, 1);
    const path = shown(folder.slice(0, cast.width));
    assert.ok(red && path && path.fromMs - red.fromMs >= 150, 'the pause of the command is in the recording');
    await assert.rejects(recordSession(['echo oh; false'], options), /status 1: oh/);
  });

  test('shows each line until it changes', async () => {
    const outputs = [
      { atMs: 0, text: 'one' },
      { atMs: 1000, text: '\rtwo' },
      { atMs: 2000, text: '\r\x1b[K' },
      { atMs: 3000, text: '\r\n\x1b[1;32m<&>\x1b[0m end  ' },
    ];
    const spans = await lineSpans({ width: 10, height: 3, outputs });
    assert.deepEqual(
      spans.map(({ row, fromMs, untilMs, runs }) => [
        row,
        fromMs,
        untilMs,
        runs.map(({ text }) => text).join(''),
      ]),
      [
        [0, 0, 1000, 'one'],
        [0, 1000, 2000, 'two'],
        [1, 3000, undefined, '<&> end'],
      ],
    );
    const svg = await sessionSvg({ width: 10, height: 3, outputs }, { title: '"<&>"' });
    assert.match(svg, /class="c2 b" x="16\.0" textLength="25\.2" [^>]*>&lt;&amp;&gt;</);
    assert.match(
      svg,
      /@keyframes k1 \{ 0% \{ visibility: hidden \} 11\.11% \{ visibility: visible \} 22\.22% \{ visibility: hidden \} \}/,
    );
    assert.doesNotMatch(svg.replace(/<\/?[a-z]+( [\w-]+="[^"<]*")*\/?>/gi, ''), /<|&(?!(amp|lt|gt|quot);)/);
  });

  test('cannot be read when it is none', () => {
    assert.throws(() => readCast('{"version":1,"width":1,"height":1}'), /no asciicast of version 2/);
    assert.throws(() => readCast('{"version":2,"width":1,"height":1}\n[1,"i","x"]'), /is no output/);
  });
});

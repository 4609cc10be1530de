import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openLab } from '../bench/lab.ts';
import { neverAborts } from '../src/base/abort.ts';
import { messageOf } from '../src/base/errors.ts';
import { writeFileAtomic } from '../src/base/files/atomic-file.ts';
import { castText, readCast } from './docs/session/cast.ts';
import { makeDemoRepository, SESSION } from './docs/session/demo.ts';
import { recordSession } from './docs/session/record.ts';
import { sessionSvg } from './docs/session/session-svg.ts';
import { ensureDefaultImage } from './test/default-image.ts';

const ROOT = join(import.meta.dirname, '..');
const CAST = join(ROOT, 'assets', 'session.cast');
const SVG = join(ROOT, 'assets', 'session.svg');

try {
  if (process.argv[2] !== '--draw') await record();
  const svg = await sessionSvg(readCast(await readFile(CAST, 'utf8')), { title: 'banger in a terminal' });
  await writeFileAtomic(SVG, svg, { mode: 0o644 });
} catch (error) {
  process.stderr.write(`error: ${messageOf(error)}\n`);
  process.exitCode = 1;
}

async function record(): Promise<void> {
  const signal = neverAborts();
  await ensureDefaultImage(ROOT);
  await using lab = await openLab(ROOT, { signal });
  const folder = await makeDemoRepository(join(lab.scratch, 'shop'), { signal });
  // The first start of a shape makes a template, and that of a repository a base: both only once.
  const { env, banger } = lab;
  await recordSession([`"${banger}" vm run --rm . -- true`], { env, banger, folder });
  await lab.setStandby(true, { signal });
  await recordSession([`"${banger}" vm run --rm -- true`], { env, banger, folder });
  await lab.standby({ signal });
  const cast = await recordSession(SESSION, { env, banger, folder });
  await writeFileAtomic(CAST, castText(cast), { mode: 0o644 });
}

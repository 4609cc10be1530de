import assert from 'node:assert/strict';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { neverAborts } from '../../base/abort.ts';
import { SYSTEM_MARK } from '../../config/system-install.ts';
import { carryOut, refuseForeign, refuseOtherOwner, type Step, stepLine } from './steps.ts';

describe('the steps of an install', () => {
  let dir: string;
  const lines: string[] = [];
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'steps-'));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const run = async (...steps: Step[]): Promise<void> =>
    await carryOut(steps, { signal: neverAborts(), onStep: (line) => lines.push(line) });

  test('may each be repeated', async () => {
    const path = join(dir, 'etc', 'unit');
    const link = join(dir, 'bin', 'banger');
    for (const content of ['one', 'two']) {
      await run(
        { kind: 'write', path, content },
        { kind: 'link', path: link, target: '/nowhere' },
        { kind: 'run', argv: ['true'] },
        { kind: 'run', argv: ['false'], mayFail: true },
      );
      assert.equal(readFileSync(path, 'utf8'), content);
      assert.equal(readlinkSync(link), '/nowhere');
    }
    for (let time = 0; time < 2; time += 1) {
      await run(
        { kind: 'tidy', path: join(dir, 'etc') },
        { kind: 'remove', path },
        { kind: 'remove', path: link },
        { kind: 'tidy', path: join(dir, 'etc') },
      );
      assert.ok(!existsSync(join(dir, 'etc')) && existsSync(join(dir, 'bin')));
    }
    assert.ok(lines.includes(`write ${path}`));
  });

  test('end with the first command that fails', async () => {
    const path = join(dir, 'not-made');
    await assert.rejects(run({ kind: 'run', argv: ['false'] }, { kind: 'write', path, content: '' }), {
      code: 'EXEC_FAILED',
    });
    assert.ok(!existsSync(path));
  });

  test('replace a tree as a whole, with modes of root', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('needs root, to give files to root');
    const from = join(dir, 'from');
    const path = join(dir, 'tree');
    mkdirSync(join(from, 'bin'), { recursive: true });
    writeFileSync(join(from, 'program'), 'new', { mode: 0o777 });
    symlinkSync('../program', join(from, 'bin', 'link'));
    mkdirSync(path);
    writeFileSync(join(path, 'old'), '');
    const step: Step = { kind: 'copy', path, parts: [{ from: join(from, 'bin'), to: 'a/bin' }] };
    await run(step);
    await run(step);
    const copied = statSync(join(path, 'a', 'bin', 'link'));
    assert.equal(copied.mode & 0o7777, 0o755);
    assert.ok(!existsSync(join(path, 'old')) && !existsSync(`${path}.new`) && !existsSync(`${path}.old`));
    assert.match(stepLine(step), /^copy to .*tree: .*bin$/);
  });

  test('are refused where a folder has the files of another user', async () => {
    const uid = 4711;
    const folder = join(dir, 'state');
    mkdirSync(folder);
    const found = statSync(folder).uid;
    if (found === 0) {
      await refuseOtherOwner([folder, join(dir, 'absent')], uid);
      chownSync(folder, uid + 1, uid + 1);
    }
    const other = statSync(folder).uid;
    await refuseOtherOwner([folder], other);
    await assert.rejects(refuseOtherOwner([folder], other + 1), { code: 'SYSTEM_OTHER_OWNER' });
  });

  test('are refused where a file is not ours, a link included', async () => {
    const [ours, foreign, link] = ['ours', 'foreign', 'link'].map((name) => join(dir, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(ours, `${SYSTEM_MARK}\n`);
    writeFileSync(foreign, '[Unit]\n');
    symlinkSync(ours, link);
    await refuseForeign([ours, join(dir, 'absent')]);
    for (const path of [foreign, link, dir]) {
      await assert.rejects(refuseForeign([ours, path]), { code: 'SYSTEM_FOREIGN' });
    }
  });
});

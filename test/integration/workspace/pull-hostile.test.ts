import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { GuestAnswer, type GuestList } from '../../../src/adapters/workspace/pull/guest/guest-answer.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import { commitsCommand } from '../../../src/core/vms/workspace/pull/pull-command.ts';
import { committed, openPullLab, type PullLab, pullCommits, readInto } from '../../helpers/pull-lab.ts';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { treeOf } from '../../helpers/tree-of.ts';

const signal = neverAborts();
const ZERO = '0'.repeat(40);

function blobName(scratch: Scratch, at: string, content: string): string {
  const ran = spawnSync('git', ['hash-object', '--stdin'], { cwd: at, env: scratch.env, input: content });
  return ran.stdout.toString().trim();
}

/** What a guest would print that has this list, and these contents for what is asked. */
function answer(scratch: Scratch, { root }: PullLab, files: Record<string, string>, mode = '100644'): Buffer {
  const sent = scratch.git(join(scratch.dir, 'guest'), 'rev-parse', 'refs/banger/sent').toString().trim();
  const list = Object.entries(files).map(
    ([path, content]) => `:000000 ${mode} ${ZERO} ${blobName(scratch, root, content)} A\0${path}\0`,
  );
  const listBytes = Buffer.from(list.join(''));
  const head = `banger-pull 1\n${sent}\n${ZERO} ${ZERO}\n${listBytes.length}\n`;
  return Buffer.concat([Buffer.from(head), listBytes]);
}

function contents(scratch: Scratch, { root }: PullLab, files: Record<string, string>): Buffer {
  const parts = Object.values(files).map(
    (content) => `${blobName(scratch, root, content)} blob ${Buffer.byteLength(content)}\n${content}\n`,
  );
  return Buffer.from(parts.join(''));
}

test('paths that no git would send are refused, and nothing is written anywhere', async () => {
  using scratch = makeScratch();
  const lab = await openPullLab(scratch, committed(scratch, 'repo', { file: 'one\n' }));
  const files = {
    '../outside': '1\n',
    '.git/hooks/post-checkout': '2\n',
    '.GIT/config': '3\n',
    'sub/git~1/config': '4\n',
    '.g\u200cit/config': '5\n',
    '/etc/banger-test': '6\n',
    '.git\\config': '7\n',
  };
  const before = treeOf(lab.root);
  const config = readFileSync(join(lab.root, '.git/config'), 'utf8');
  await using pull = await lab.open();
  pull.take(answer(scratch, lab, files));
  const plan = await pull.plan({ signal });
  assert.deepEqual(plan.paths, []);
  assert.deepEqual(plan.refused.map(({ path }) => path).sort(), Object.keys(files).sort());
  assert.deepEqual(treeOf(lab.root), before);
  assert.equal(readFileSync(join(lab.root, '.git/config'), 'utf8'), config);
  assert.ok(!existsSync(join(scratch.dir, 'outside')));
});

test('a file with another content than its name says, modes of no file, and lists of nonsense fail', async () => {
  using scratch = makeScratch();
  const lab = await openPullLab(scratch, committed(scratch, 'repo', { file: 'one\n' }));
  const failing = async (bytes: readonly Buffer[]): Promise<void> => {
    await using pull = await lab.open();
    await assert.rejects(
      async () => {
        for (const each of bytes) pull.take(each);
        await pull.plan({ signal });
      },
      { code: 'WORKSPACE_PULL_FAILED' },
    );
  };
  const files = { a: 'good\n' };
  const lying = Buffer.from(contents(scratch, lab, files).toString().replace('good', 'evil'));
  await failing([answer(scratch, lab, files), lying]);
  await failing([
    answer(scratch, lab, files),
    Buffer.from(`${blobName(scratch, lab.root, 'good\n')} missing\n`),
  ]);
  await failing([answer(scratch, lab, files)]);
  for (const mode of ['104755', '100666', '040000', '020000'])
    await failing([answer(scratch, lab, files, mode)]);
  await failing([Buffer.from('banger-pull 1\nx\n')]);
  await failing([Buffer.alloc(1000, 'x')]);
  await failing([Buffer.from(`banger-pull 1\n${ZERO}\n${ZERO} ${ZERO}\n99999999999\n`)]);
});

test('an answer is bounded: files, bytes of the list, bytes of contents', () => {
  const wanted = ZERO.replace(/^0/, '1');
  const openAnswer = (maxContentBytes: number): GuestAnswer =>
    new GuestAnswer({ onList: () => [wanted], onContent: () => {} }, { maxContentBytes });
  const start = (listBytes: number): Buffer =>
    Buffer.from(`banger-pull 1\n${ZERO}\n${ZERO} ${ZERO}\n${listBytes}\n`);
  const line = (at: number): string => `:000000 100644 ${ZERO} ${wanted} A\0f${at}\0`;
  const many = Buffer.from(Array.from({ length: 200_001 }, (_, at) => line(at)).join(''));
  assert.throws(() => {
    const it = openAnswer(10);
    it.push(start(many.length));
    it.push(many);
  }, /too many files/);
  // A sparse file of 50 GB is refused when its size is announced.
  const one = Buffer.from(line(0));
  const large = openAnswer(1_000_000);
  large.push(Buffer.concat([start(one.length), one]));
  assert.throws(() => large.push(Buffer.from(`${wanted} blob 53687091200\n`)), /more than 1000000 bytes/);
});

test('an answer means the same however it is cut, and any bytes are an answer or an error', () => {
  const object = ZERO.replace(/^0/, '2');
  const list = Buffer.from(
    `:100644 000000 ${object} ${ZERO} D\0gone\0:000000 100755 ${ZERO} ${object} A\0new\0`,
  );
  const head = Buffer.from(`banger-pull 1\n${ZERO}\nnone ${ZERO}\n${list.length}\n`);
  const whole = Buffer.concat([head, list, Buffer.from(`${object} blob 3\nabc\n`)]);
  const readIn = (size: number): [GuestList | undefined, string, boolean] => {
    let found: GuestList | undefined;
    let content = '';
    const it = new GuestAnswer(
      {
        onList: (each) => {
          found = each;
          return [object];
        },
        onContent: (_, piece) => {
          content += piece.toString();
        },
      },
      { maxContentBytes: 10 },
    );
    for (let at = 0; at < whole.length; at += size) it.push(whole.subarray(at, at + size));
    return [found, content, it.isWhole];
  };
  const expected = readIn(whole.length);
  assert.deepEqual([expected[1], expected[2], expected[0]?.files.size], ['abc', true, 2]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: whole.length }), (size) => {
      assert.deepEqual(readIn(size), expected);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const it = new GuestAnswer({ onList: () => [], onContent: () => {} }, { maxContentBytes: 10 });
      try {
        it.push(Buffer.concat([head, list, Buffer.from(bytes)]));
        assert.equal(bytes.length, 0);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'WORKSPACE_PULL_FAILED');
      }
    }),
  );
});

test('commits with objects that git does not accept never land', async () => {
  using scratch = makeScratch();
  const lab = await openPullLab(scratch, committed(scratch, 'repo', { file: 'one\n' }));
  const { guest, root } = lab;
  const git = (input: string | Buffer, ...args: string[]): string => {
    const ran = spawnSync('git', ['-C', guest, ...args], { env: scratch.env, input });
    assert.equal(ran.status, 0, ran.stderr.toString());
    return ran.stdout.toString().trim();
  };
  const objects = (): string => scratch.git(root, 'count-objects', '-v').toString();
  const before = objects();
  const blob = git('x\n', 'hash-object', '-w', '--stdin');
  const raw = (name: string, mode = '100644'): Buffer =>
    Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(blob, 'hex')]);
  const trees = [raw('.git'), raw('..'), raw('a/b'), raw('.GIT'), Buffer.concat([raw('a'), raw('a')])];
  for (const [at, tree] of trees.entries()) {
    const name = git(tree, 'hash-object', '-t', 'tree', '-w', '--literally', '--stdin');
    const commit = git(
      '',
      '-c',
      'user.name=x',
      '-c',
      'user.email=x@y',
      'commit-tree',
      '-p',
      'HEAD',
      '-m',
      'bad',
      name,
    );
    git('', 'update-ref', 'refs/heads/main', commit);
    await assert.rejects(pullCommits(scratch, lab, `bad${at}`), { code: 'WORKSPACE_PULL_FAILED' });
    git('', 'update-ref', 'refs/heads/main', 'HEAD^');
  }
  // A pack that lacks an object, and one that is cut.
  put(guest, 'file', 'two\n');
  scratch.git(guest, '-c', 'user.name=x', '-c', 'user.email=x@y', 'commit', '-q', '-am', 'good');
  const chunks: Buffer[] = [];
  await readInto(scratch, { take: (chunk) => chunks.push(Buffer.from(chunk)) }, commitsCommand(guest));
  const whole = Buffer.concat(chunks);
  for (const broken of [whole.subarray(0, -30), whole.subarray(0, 90), Buffer.alloc(0)]) {
    await using pull = await lab.pulls.openBranch(root, { name: 'cut', signal });
    pull.take(broken);
    await assert.rejects(async () => await pull.land({ signal }), { code: 'WORKSPACE_PULL_FAILED' });
  }
  assert.equal(objects(), before, 'nothing of it became an object of the repository');
  assert.equal(scratch.git(root, 'for-each-ref', '--format=%(refname)').toString(), 'refs/heads/main\n');
  const landed = await pullCommits(scratch, lab, 'good');
  assert.equal(landed.commitCount, 1);
});

test('a link in place of the folder for contents is not followed', async () => {
  using scratch = makeScratch();
  const lab = await openPullLab(scratch, committed(scratch, 'repo', { file: 'one\n' }));
  symlinkSync(scratch.home, join(lab.root, '.git/banger'));
  put(lab.guest, 'file', 'two\n');
  await assert.rejects(lab.pull(), { code: 'WORKSPACE_PULL_FAILED' });
  assert.equal(readFileSync(join(lab.root, 'file'), 'utf8'), 'one\n');
});

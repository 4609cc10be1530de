// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are variables of devcontainer.json
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type CliLab, type CliResult, openCliLab } from '../../../../test/support/cli/cli-harness.ts';
import { sendEvents, sendJson } from '../../../../test/support/fakes/fake-daemon.ts';
import type { Image } from '../../../protocol/api/image.ts';

const IMAGE: Image = {
  name: 'localhost:5000/base:1',
  id: `sha256:${'0'.repeat(64)}`,
  arch: 'amd64',
  distro: '',
  kernel: '',
  sizeBytes: 1,
  diskBytes: 1,
  createdAt: '2026-01-01T00:00:00.000Z',
  usedBy: [],
};

describe('banger vm run --devcontainer', () => {
  let lab: CliLab;
  let repo: string;
  let log: string;
  let guest: string;

  beforeEach(async () => {
    lab = await openCliLab();
    repo = join(lab.home, 'shop');
    mkdirSync(join(repo, '.git'), { recursive: true });
    log = join(repo, 'log');
    guest = join(lab.home, 'guest/shop');
    mkdirSync(guest, { recursive: true });
    writeFileSync(join(guest, 'of-image'), '');
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  /** The guests are processes of this host. */
  function put(fields: object): void {
    const usual = { image: IMAGE.name, workspaceFolder: guest };
    writeFileSync(join(repo, '.devcontainer.json'), JSON.stringify({ ...usual, ...fields }));
  }
  function answerImage(config?: Image['config']): void {
    lab.daemon.answers.set(`GET /v1/images/${encodeURIComponent(IMAGE.name)}`, (_request, response) =>
      sendJson(response, 200, { ...IMAGE, ...(config ? { config } : {}) }),
    );
  }
  const run = (...words: string[]): Promise<CliResult> =>
    lab.run(['vm', 'run', '--devcontainer', ...words], { env: { TOKEN: 'secret', USER: 'me' } });
  const bodyOf = (line: RegExp) =>
    lab.daemon.requests.find(({ method, path }) => line.test(`${method} ${path}`))?.body as
      | Record<string, unknown>
      | undefined;
  const append = (text: string): string => `echo ${text} >>${log}`;

  test('runs the hooks once and in order, and then the command, as the file says', async () => {
    answerImage({ env: ['PATH=/bin:/usr/bin'] });
    put({
      postAttachCommand: append('attach'),
      postStartCommand: append('start'),
      postCreateCommand: ['sh', '-c', `${append('create $A $B')}; pwd >>${log}`],
      updateContentCommand: { one: append('update'), 'two\u001b[2J': 'echo said; echo wrong >&2' },
      onCreateCommand: `${append('on')}; test ! -e ${guest}/of-image && mkdir -p ${guest}`,
      containerEnv: { C: '${containerWorkspaceFolderBasename}' },
      remoteEnv: { A: '${localEnv:USER}', B: '[${localEnv:TOKEN}]', P: '${containerEnv:PATH}:/more' },
      hostRequirements: { cpus: 3 },
    });
    const result = await run('--rm', '-e', 'X=1', repo, '--', 'sh', '-c', 'echo $A-$X; echo $P');
    assert.equal(result.status, 0, result.stderr);
    assert.match(result.stdout, /^me-1\n.+:\/more\n$/);
    assert.equal(readFileSync(log, 'utf8'), `on\nupdate\ncreate me []\n${guest}\nstart\nattach\n`);
    assert.match(result.stderr, /^updateContentCommand two \[2J \| said$/m);
    assert.match(result.stderr, /^updateContentCommand two \[2J \| wrong$/m);
    assert.match(result.stderr, /empty there unless you give them: -e TOKEN\n/);
    const made = bodyOf(/^POST .*\/vms$/);
    assert.deepEqual([made?.['image'], made?.['env'], made?.['vcpuCount']], [IMAGE.name, ['C=shop'], 3]);
    assert.equal('packId' in (made ?? {}), false);
    const workspace = bodyOf(/\/workspace$/);
    assert.equal(workspace?.['guestPath'], guest);
  });

  test('a hook that fails ends the run, and the hooks after it do not run', async () => {
    answerImage();
    put({
      onCreateCommand: append('on'),
      postCreateCommand: 'echo why; exit 3',
      postStartCommand: append('start'),
    });
    const result = await run(repo, '--', 'true');
    assert.equal(result.status, 125);
    assert.match(result.stderr, /postCreateCommand \| why\n/);
    assert.match(result.stderr, /postCreateCommand: it ended with status 3\n/);
    assert.match(result.stderr, /is still running/);
    assert.equal(readFileSync(log, 'utf8'), 'on\n');
  });

  test('of commands that run at the same time, one that fails ends the others', async () => {
    answerImage();
    put({ postCreateCommand: { slow: 'exec sleep 600', bad: 'exit 4' } });
    const result = await run('--rm', repo, '--', 'true');
    assert.match(result.stderr, /postCreateCommand bad: it ended with status 4\n/);
  });

  test('with --detach everything runs but what is for a command that attaches', async () => {
    answerImage();
    put({ postStartCommand: append('start'), postAttachCommand: append('attach'), forwardPorts: [3000] });
    const forwarded: unknown[] = [];
    await lab.run(['vm', 'create', '--name', 'web']);
    const id = [...lab.daemon.vms.keys()][0] ?? '';
    const vm = lab.daemon.vms.get(id);
    lab.daemon.vms.clear();
    lab.daemon.answers.set(`POST /v1/vms/${id}/forwards`, ({ body }, response) => {
      forwarded.push(body);
      sendEvents(response, [{ event: 'result', value: vm }]);
    });
    const result = await run('-d', '--name', 'web', repo);
    assert.equal(result.status, 0, result.stderr);
    assert.deepEqual(forwarded, [{ hostPort: 3000, guestPort: 3000 }]);
    assert.equal(readFileSync(log, 'utf8'), 'start\n');
  });

  test('a port that another VM has is a warning, unless the file requires it', async () => {
    answerImage();
    await lab.run(['vm', 'create', '--name', 'web']);
    const id = [...lab.daemon.vms.keys()][0] ?? '';
    lab.daemon.vms.clear();
    lab.daemon.answers.set(`POST /v1/vms/${id}/forwards`, (_request, response) =>
      sendEvents(response, [{ event: 'error', error: { code: 'PORT_UNAVAILABLE', message: 'taken' } }]),
    );
    put({ forwardPorts: [3000] });
    const warned = await run('--rm', '--name', 'web', repo, '--', 'true');
    assert.equal(warned.status, 0, warned.stderr);
    assert.match(warned.stderr, /warning: port 3000 is not forwarded: taken\n/);
    put({ forwardPorts: [3000], portsAttributes: { 3000: { requireLocalPort: true } } });
    assert.equal((await run('--rm', '--name', 'web', repo, '--', 'true')).status, 125);
  });

  test('the user is that of the file, else of the metadata, else of the image', async () => {
    const metadata = JSON.stringify([{ remoteUser: '0' }]);
    for (const [fields, config, user] of [
      [{ remoteUser: 'root:root' }, { labels: { 'devcontainer.metadata': metadata } }, 'root:root'],
      [{}, { user: 'app', labels: { 'devcontainer.metadata': metadata } }, '0'],
      [{ containerUser: '0:0' }, { user: 'app' }, '0:0'],
      [{}, { user: '0:5' }, '0:5'],
      [{}, {}, 'root'],
    ] as const) {
      answerImage(config);
      put({ ...fields, postCreateCommand: 'true' });
      lab.daemon.guests.length = 0;
      assert.equal((await run('--rm', repo, '--', 'true')).status, 0);
      assert.deepEqual(
        lab.daemon.guests.map(({ start }) => start.user),
        [undefined, user, user],
      );
    }
  });

  test('a refused key makes nothing, and exits with 2', async () => {
    put({ mounts: ['source=/,target=/host,type=bind'], initializeCommand: append('host') });
    const result = await run(repo, '--', 'true');
    assert.equal(result.status, 2);
    assert.match(
      result.stderr,
      /mounts: folders of this host .*; initializeCommand: it would run on this host/,
    );
    assert.deepEqual(lab.daemon.requests, []);
    assert.equal(existsSync(log), false);
  });

  test('initializeCommand runs on this host when the user says so, before anything else', async () => {
    answerImage();
    put({
      initializeCommand: `${append('host')}; echo out; echo err >&2`,
      postCreateCommand: append('guest'),
    });
    const result = await run('--rm', '--initialize-command', repo, '--', 'true');
    assert.equal(result.status, 0, result.stderr);
    assert.equal(readFileSync(log, 'utf8'), 'host\nguest\n');
    assert.equal(result.stdout, '');
    assert.match(result.stderr, /^initializeCommand \| out$/m);
    put({ initializeCommand: 'exit 3' });
    lab.daemon.requests.length = 0;
    const failed = await run('--initialize-command', repo, '--', 'true');
    assert.equal(failed.status, 125);
    assert.deepEqual(lab.daemon.requests, []);
    const skipped = await run('--rm', '--devcontainer-skip', 'initializeCommand', repo, '--', 'true');
    assert.equal(skipped.status, 0, skipped.stderr);
  });

  test('pulls an image that is not here, and builds a Dockerfile that may be here', async () => {
    lab.daemon.answers.set(`GET /v1/images/${encodeURIComponent(IMAGE.name)}`, (_request, response) =>
      sendJson(response, 404, { code: 'IMAGE_NOT_FOUND', message: 'none' }),
    );
    for (const path of ['pull', 'dockerfile']) {
      lab.daemon.answers.set(`POST /v1/images/${path}`, (_request, response) =>
        sendEvents(response, [{ event: 'result', value: IMAGE }]),
      );
    }
    put({});
    assert.equal((await run('--rm', repo, '--', 'true')).status, 0);
    assert.deepEqual(bodyOf(/images\/pull/), { reference: IMAGE.name });
    writeFileSync(join(repo, 'Dockerfile'), 'FROM scratch\n');
    put({ build: { dockerfile: 'Dockerfile', args: { V: '1' }, target: 'dev' } });
    assert.equal((await run('--rm', '--nat', repo, '--', 'true')).status, 0);
    const { name, ...asked } = bodyOf(/images\/dockerfile/) ?? {};
    assert.match(String(name), /^devcontainer-shop-[0-9a-f]{10}$/);
    assert.deepEqual(asked, {
      dockerfile: join(repo, 'Dockerfile'),
      context: repo,
      buildArgs: [{ name: 'V', value: '1' }],
      target: 'dev',
      reuse: true,
      force: true,
      nat: true,
    });
  });

  test('options that make no sense with it, or without it, are wrong usage', async () => {
    put({});
    for (const words of [
      ['vm', 'run', '--devcontainer', '--', 'true'],
      ['vm', 'run', '--devcontainer', '--image', 'x', repo],
      ['vm', 'run', '--devcontainer-name', 'x', repo],
      ['vm', 'run', '--devcontainer-skip', 'x', repo],
      ['vm', 'run', '--initialize-command', repo],
      ['vm', 'run', '--devcontainer', '--devcontainer-skip', 'none', repo],
    ]) {
      assert.equal((await lab.run(words)).status, 2, words.join(' '));
    }
    assert.deepEqual(lab.daemon.requests, []);
  });

  test('banger devcontainer check says what counts, and whether a VM can be made', async () => {
    put({ features: { 'github-cli': {} }, forwardPorts: [80], runArgs: ['--init'] });
    const refused = await lab.run(['devcontainer', 'check', repo]);
    assert.equal(refused.status, 1);
    assert.match(refused.stdout, /^forwardPorts +taken/m);
    assert.match(refused.stdout, /^features +refused +"github-cli": it is neither/m);
    assert.match(refused.stdout, /--devcontainer refuses it\n$/);
    const skipped = await lab.run(['devcontainer', 'check', '--json', '--skip', 'features', '.'], {
      cwd: repo,
    });
    assert.equal(skipped.status, 0, skipped.stderr);
    const report = JSON.parse(skipped.stdout) as { canRun: boolean; keys: { key: string; status: string }[] };
    assert.equal(report.canRun, true);
    assert.deepEqual(
      report.keys.map(({ key, status }) => `${key}: ${status}`),
      [
        'image: taken',
        'workspaceFolder: taken',
        'features: not supported',
        'forwardPorts: taken',
        'runArgs: not supported',
      ],
    );
    assert.equal((await lab.run(['devcontainer', 'check', lab.home])).status, 2);
    assert.deepEqual(lab.daemon.requests, []);
  });
});

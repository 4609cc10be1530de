import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { neverAborts } from '../../../src/base/abort.ts';
import { exec } from '../../../src/base/process/exec.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import {
  checkNew,
  deleteVm,
  NEW,
  requireSource,
  type Scenario,
  type ScenarioWorld,
  SOURCE,
  STANDBY_DEADLINE_MS,
  standbyWithin,
} from './scenarios.ts';

const signal = neverAborts();
const FILES = ['top', 'folder/other', 'lib/code'] as const;

/** Operations that make, use and change working trees on work disks. */
export const BASE_SCENARIOS: readonly Scenario[] = [
  {
    name: 'making a base image',
    async prepare(world) {
      await deleteVm(world, NEW);
      await world.lab.client.pruneWorkspaceBases({ all: true }, { signal });
      await edit(world, 'base');
    },
    run: createWithTree,
    check: checkTree,
    victims: () => ({ 'its VMM': '.' }),
  },
  {
    name: 'a work disk over a base image',
    async prepare(world) {
      await deleteVm(world, NEW);
      await edit(world, 'base');
      if ((await world.lab.client.listWorkspaceBases({ signal })).length > 0) return;
      await createWithTree(world);
      await deleteVm(world, NEW);
    },
    run: createWithTree,
    check: checkTree,
    victims: () => ({ 'its VMM': '.' }),
  },
  {
    name: 'a pool VM whose work disk is replaced',
    hasStandby: true,
    async prepare(world) {
      await deleteVm(world, NEW);
      await edit(world, 'base');
      const { lab } = world;
      const hasBase = (await lab.client.listWorkspaceBases({ signal })).length > 0;
      // A daemon keeps no pool VM before the first start.
      if (hasBase && (await standbyWithin(world, 0))) return;
      await createWithTree(world);
      assert.ok(await standbyWithin(world, STANDBY_DEADLINE_MS), 'there is a pool VM');
      await deleteVm(world, NEW);
    },
    run: createWithTree,
    check: checkTree,
    victims: () => ({ 'its VMM': '.' }),
  },
  {
    name: 'making a base image again',
    async prepare(world) {
      await deleteVm(world, NEW);
      await edit(world, 'base');
      await createWithTree(world);
      await deleteVm(world, NEW);
      await edit(world, 'again');
    },
    run: createWithTree,
    check: checkTree,
    victims: () => ({ 'its VMM': '.' }),
  },
  {
    name: 'a second copy of a repository with a submodule',
    async prepare(world) {
      await requireSource(world);
      await edit(world, 'old');
      await copy(world);
      await edit(world, 'new');
    },
    run: copy,
    async check(world) {
      const { lab } = world;
      const source = lab.records().find(({ name }) => name === SOURCE);
      if (source?.state === 'stopped') await resultOf(lab.client.startVm(SOURCE, { signal }));
      const found = await world.sh(SOURCE, FILES.map((name) => `cat '${world.guestPath}/${name}'`).join(';'));
      assert.ok(
        ['old', 'new'].some((text) => found === `${text}\n`.repeat(FILES.length)),
        `a mixture: ${found}`,
      );
      await copy(world);
    },
    victims: () => ({ 'its VMM': '.' }),
  },
];

/** Makes a VM from the working tree, as `vm run` does. */
async function createWithTree({ lab, shape, repo }: ScenarioWorld): Promise<void> {
  const ends = { signal: lab.clientSignal() };
  await using pack = await lab.client.packWorkspace({ path: repo }, ends);
  const { packId } = pack.value;
  await resultOf(lab.client.createVm({ name: NEW, ...shape, packId }, ends));
}

async function copy({ lab, repo, guestPath }: ScenarioWorld): Promise<void> {
  const request = { path: repo, guestPath, discardGuest: true };
  await resultOf(lab.client.prepareWorkspace(SOURCE, request, { signal: lab.clientSignal() }));
}

/** A base counts only if it is whole, and a VM that began with one has its tree. */
async function checkTree(...[world, by]: Parameters<Scenario['check']>): Promise<void> {
  await checkNew(world, by);
  const { lab, hasDisk } = world;
  const made = lab.records().find(({ name }) => name === NEW);
  if (!made?.workspace || !hasDisk) return;
  if (made.state === 'stopped') await resultOf(lab.client.startVm(NEW, { signal }));
  const found = await world.sh(NEW, `cd /root/repo && cat ${FILES.join(' ')} && git fsck 2>&1`);
  assert.match(found, /^(base\n){3}$|^(again\n){3}$/);
}

/** Gives every file of the repository this content, uncommitted. */
async function edit({ repo }: ScenarioWorld, text: string): Promise<void> {
  if (!existsSync(repo)) await makeRepository(repo);
  for (const name of FILES) await writeFile(join(repo, name), `${text}\n`);
}

async function makeRepository(repo: string): Promise<void> {
  const origin = `${repo}-lib`;
  const git = async (cwd: string, ...args: string[]): Promise<void> => {
    const identity = ['-c', 'user.name=A U Thor', '-c', 'user.email=author@example.com'];
    await exec(['git', '-C', cwd, ...identity, '-c', 'protocol.file.allow=always', ...args], { signal });
  };
  const begin = async (root: string, names: readonly string[]): Promise<void> => {
    await mkdir(root, { recursive: true });
    await git(root, 'init', '-q', '-b', 'main');
    for (const name of names) {
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), 'committed\n');
    }
    await git(root, 'add', '-A');
    await git(root, 'commit', '-qm', 'first');
  };
  await begin(origin, ['code']);
  await begin(repo, ['top', 'folder/other']);
  await git(repo, 'submodule', '--quiet', 'add', origin, 'lib');
  await git(repo, 'commit', '-qm', 'with a submodule');
}

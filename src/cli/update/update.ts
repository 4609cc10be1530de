import { AppError } from '../../base/errors.ts';
import { defineCommand } from '../program/command.ts';
import { isVersion } from './version-order.ts';

/** `banger update` */
export const update = defineCommand({
  path: ['update'],
  summary: 'install a newer release of banger',
  description:
    'Installs the latest release over one that install.sh has installed. It checks signatures and contents before anything changes, and that the new release can use your records and saved guests. VMs keep running. The daemon of the new release takes over, and must pass banger doctor; otherwise the previous release comes back. Commands and sessions in VMs, and operations of the daemon, would end with the old daemon: while there are any, the update is refused, unless with --force. Releases that a package manager installed are updated with that.',
  examples: [
    { command: 'banger update --check', does: 'Whether there is a newer release; changes nothing.' },
    { command: 'banger update', does: 'Installs it.' },
    { command: 'banger update --dry-run', does: 'Downloads and checks it, and installs nothing.' },
    { command: 'banger update --to v1.2.3', does: 'Installs a certain release.' },
  ],
  args: [],
  options: {
    check: { type: 'flag', summary: 'only say whether there is a newer release' },
    to: {
      type: 'value',
      value: 'version',
      summary: 'another release than the latest; an older one needs --force',
    },
    dryRun: { type: 'flag', summary: 'download and check the release, and install nothing' },
    force: {
      type: 'flag',
      summary: 'end commands and sessions in VMs, and give up saved guests that would not resume',
    },
    json: { type: 'flag', summary: 'print the outcome as JSON' },
    manifestUrl: { type: 'value', value: 'url', isHidden: true, summary: 'another list of releases' },
    pubkeyFile: {
      type: 'value',
      value: 'path',
      kind: 'file',
      isHidden: true,
      summary: 'the keys that must have signed it',
    },
  },
  async run({ options }, { io, signal, progress, notice, warn, print, printJson }) {
    const { to } = options;
    if (to !== undefined && !isVersion(to)) {
      throw new AppError('USAGE_OPTION_VALUE', `Cannot use --to "${to}": it is not a version vX.Y.Z`);
    }
    const [{ runUpdate }, { homeInUserDatabase }] = await Promise.all([
      import('./run-update.ts'),
      import('../../config/settings.ts'),
    ]);
    const request = {
      isCheck: options.check,
      isDryRun: options.dryRun,
      isForced: options.force,
      to,
      manifestUrl: options.manifestUrl,
      publicKeyFile: options.pubkeyFile,
    };
    const result = await runUpdate(request, {
      env: io.env,
      home: io.env['HOME'] || (homeInUserDatabase() ?? '/'),
      programPath: io.ownArgv.at(-1) ?? '',
      step: (text) => progress.step('update', text),
      notice,
      warn,
      signal,
    });
    if (options.json) await printJson(result);
    else await print(lineOf(result));
    return 0;
  },
});

function lineOf({
  outcome,
  installed,
  version,
}: {
  outcome: 'available' | 'up-to-date' | 'dry-run' | 'updated';
  installed: string;
  version: string;
}): string {
  switch (outcome) {
    case 'available':
      return `update available: ${installed} -> ${version}`;
    case 'up-to-date':
      return `up to date: ${installed}`;
    case 'dry-run':
      return `dry-run: ${version} is complete, signed and runs here; it would replace ${installed}`;
    case 'updated':
      return `updated: ${installed} -> ${version}`;
    default:
      return outcome satisfies never;
  }
}

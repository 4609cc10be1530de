import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vmsRun } from './uninstall.ts';

test('the hint that root may paste has the names of VMs as words, whatever a daemon calls them', () => {
  assert.equal(vmsRun(['web', 'db-1']).hint, 'banger vm stop web db-1; or end them with --force');
  const { hint = '', message } = vmsRun(['web; reboot', '\u001b[2Jx']);
  assert.match(hint, /^banger vm stop 'web; reboot' /);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be there
  assert.doesNotMatch(hint + message, /\u001b/);
});

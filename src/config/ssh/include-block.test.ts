import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { includes, withBlock, withoutBlock } from './include-block.ts';

const LINE = 'Include /home/me/.config/banger/ssh_config';
const OTHER = 'Include /elsewhere/ssh_config';
const BLOCK = `# >>> banger ssh-config >>>\n${LINE}\n# <<< banger ssh-config <<<\n`;

/** Any file: words of the format, line ends of both kinds, and bytes that no text has. */
const anyConfig = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\n',
        '\r\n',
        '\r',
        ' ',
        '\t',
        '#',
        '"',
        'Host *',
        'match all',
        'Include ~/x',
        'User me',
      ),
      fc.constantFrom('# <<< banger ssh-config <<<', LINE, '# >>> banger ssh-config'),
      fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(''));

describe('the block in the ssh configuration', () => {
  test('after it was put in and removed, every byte of any file is as before', () => {
    fc.assert(
      fc.property(anyConfig, (text) => {
        const installed = withBlock(text, { includeLine: LINE });
        assert.equal(
          withBlock(installed, { includeLine: LINE }),
          installed,
          'the second time changes nothing',
        );
        assert.ok(includes(installed, [LINE]));
        assert.ok(installed.endsWith(text));
        assert.equal(withoutBlock(installed), text);
        const moved = withBlock(installed, { includeLine: OTHER });
        assert.ok(includes(moved, [OTHER]));
        assert.equal(withoutBlock(moved), text);
      }),
      { numRuns: 2_000 },
    );
  });

  test('is at the top, where it applies to every host, and has the line ends of the file', () => {
    assert.equal(withBlock('Host *\n  User me', { includeLine: LINE }), `${BLOCK}Host *\n  User me`);
    const windows = withBlock('Host *\r\n', { includeLine: LINE });
    assert.equal(windows, `${BLOCK.replaceAll('\n', '\r\n')}Host *\r\n`);
    assert.equal(withoutBlock(windows), 'Host *\r\n');
    assert.equal(withBlock('', { includeLine: LINE }), BLOCK);
  });

  test('stays where the user has put it, unless it would then apply to some hosts only', () => {
    const below = `# mine\nUser me\n${BLOCK}Host a\n`;
    assert.equal(withBlock(below, { includeLine: LINE }), below);
    for (const section of ['Host a', 'host=a', '  MATCH all', 'Host\ta', '"Host" a']) {
      const inside = `${section}\n${BLOCK}User me\n`;
      assert.equal(includes(inside, [LINE]), false, section);
      assert.equal(withBlock(inside, { includeLine: LINE }), `${BLOCK}${section}\nUser me\n`);
    }
    assert.equal(includes('HostKeyAlias x\nInclude ~/y\n', ['Include ~/y']), true);
  });

  test('a second block is removed, and one without an end is refused', () => {
    assert.equal(withBlock(`${BLOCK}a\n${BLOCK}b`, { includeLine: LINE }), `${BLOCK}a\nb`);
    assert.equal(withoutBlock(`${BLOCK}a\n${BLOCK}b`), 'a\nb');
    const broken = `# >>> banger ssh-config >>>\n${LINE}\nHost *\n`;
    assert.throws(() => withBlock(broken, { includeLine: LINE }), { code: 'SSH_CONFIG_DAMAGED' });
    assert.throws(() => withoutBlock(broken), { code: 'SSH_CONFIG_DAMAGED' });
  });

  test('a file that was created for it is deleted with it, unless the user has put something in it', () => {
    const created = withBlock('', { includeLine: LINE, isNewFile: true });
    assert.equal(withBlock(created, { includeLine: LINE }), created);
    assert.equal(withoutBlock(created), undefined);
    assert.equal(withoutBlock(withBlock(created, { includeLine: OTHER })), undefined);
    assert.equal(withoutBlock(`${created}Host a\n`), 'Host a\n');
    assert.equal(withoutBlock(withBlock('', { includeLine: LINE })), '');
  });
});

import { open } from 'node:fs/promises';
import { arch } from 'node:process';
import { isErrno } from '../../../base/errors.ts';
import type { Check } from '../check.ts';

/** The agent program for guests of this host's architecture exists. */
export const checkGuestAgent: Check = {
  name: 'guest agent',
  async run({ agentPath }) {
    try {
      await using file = await open(agentPath, 'r');
      const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
      // elf(5): the magic number.
      if (buffer.toString('latin1') === '\u007fELF')
        return { status: 'pass', message: `for ${arch} hosts: ${agentPath}` };
      return {
        status: 'fail',
        message: `${agentPath} is not a program`,
        fix: 'install banger again, or: npm run setup',
      };
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR')) throw error;
      return {
        status: 'fail',
        message: `${agentPath} is missing, so no VM can boot`,
        fix: 'install banger again, or: npm run setup',
      };
    }
  },
};

import { makeQemuFixture } from './qemu-fixture.ts';
import { describeSaving } from './saving.ts';

describeSaving('qemu', makeQemuFixture);

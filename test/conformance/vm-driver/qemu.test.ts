import { makeQemuFixture } from './qemu-fixture.ts';
import { describeVmDriver } from './suite.ts';

describeVmDriver('qemu', makeQemuFixture);

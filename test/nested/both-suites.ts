// Both suites of the driver as one file: a repeated run leaves out what has passed, and needs a test to run.
import '../conformance/vm-driver/qemu.test.ts';
import '../conformance/vm-driver/qemu-saved.test.ts';

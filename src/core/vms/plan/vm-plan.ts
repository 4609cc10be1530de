import type { VmShape } from '../../../protocol/vm.ts';
import type { OverlaySize } from '../../overlay-size.ts';
import type { StoredKernel } from '../../ports/images/kernels.ts';
import type { StoredImage } from '../../ports/images/stored-image.ts';
import type { DriverProbe, VmDriver } from '../../ports/vmm/driver.ts';
import type { BootSource } from '../../ports/vmm/spec.ts';

/** Everything that is decided about a VM before any part of it exists. */
export interface VmPlan {
  name: string;
  shape: VmShape;
  image: StoredImage;
  kernel: StoredKernel;
  overlay: OverlaySize;
  boot: BootSource;
  driver: VmDriver;
  /** of the driver */
  probe: DriverProbe;
}

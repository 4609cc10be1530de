import type { VmShape } from '../../../protocol/vm.ts';
import type { OverlaySize } from '../../overlay-size.ts';
import type { StoredImage, StoredKernel } from '../../ports/images.ts';
import type { BootSource, DriverProbe } from '../../ports/vmm.ts';

/** All that is decided about a VM before anything of it exists. */
export interface VmPlan {
  name: string;
  shape: VmShape;
  image: StoredImage;
  kernel: StoredKernel;
  overlay: OverlaySize;
  boot: BootSource;
  probe: DriverProbe;
}

/** One of the things that a saved guest depends on. */
export interface SavedGuestPart {
  /** for people: `QEMU 7.2.22` */
  name: string;
  /** a guest that was saved with one token can be restored where the same one is */
  token: string;
}

/** All that a saved guest depends on besides its own spec and its agent. */
export interface SavedGuestParts {
  vmm: SavedGuestPart;
  accelerator: SavedGuestPart;
  processor: SavedGuestPart;
  machine: SavedGuestPart;
}

/** What a VMM process can save guests as: of the driver's probe when it was started. */
export interface SavedGuestKind {
  /** `DriverProbe.savedGuestKey` */
  key: string;
  parts: SavedGuestParts;
}

/** What saved a guest, and so decides where it can be restored. Noted when it is saved. */
export interface SavedBy {
  /** absent when the VMM was started by a version of banger that did not note it */
  kind?: SavedGuestKind;
  /** the agent in the guest; absent when it did not answer */
  agent?: { generation: number; version: string };
  /** version of banger */
  banger: string;
}

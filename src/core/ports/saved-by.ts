/** One of the things that a saved guest depends on. */
export interface SavedGuestPart {
  /** for people: `QEMU 7.2.22` */
  name: string;
  /** a saved guest can be restored only where the token is the same */
  token: string;
}

/** All that a saved guest depends on besides its own spec and its agent. */
export interface SavedGuestParts {
  vmm: SavedGuestPart;
  accelerator: SavedGuestPart;
  processor: SavedGuestPart;
  machine: SavedGuestPart;
}

/** The kind of saved guest that a VMM process writes, from the driver's probe when the VMM was started. */
export interface SavedGuestKind {
  /** `DriverProbe.savedGuestKey` */
  key: string;
  parts: SavedGuestParts;
}

/** What saved a guest, which decides where it can be restored. Recorded when the guest is saved. */
export interface SavedBy {
  /** absent when a version of banger that did not record it started the VMM */
  kind?: SavedGuestKind;
  /** the agent in the guest; absent when it did not answer */
  agent?: { generation: number; version: string };
  /** version of banger */
  banger: string;
}

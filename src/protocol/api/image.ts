export interface BuildImageRequest {
  /** build again although the image exists */
  force?: boolean;
}

export interface Image {
  name: string;
  /** content identity, `sha256:...` of its manifest's inputs */
  id: string;
  arch: 'amd64' | 'arm64';
  distro: string;
  kernel: string;
  /** apparent size of the root file system, and what it takes on disk */
  sizeBytes: number;
  diskBytes: number;
  createdAt: string;
  usedBy: string[];
}

export interface Kernel {
  name: string;
  release: string;
  arch: 'amd64' | 'arm64';
  diskBytes: number;
  createdAt: string;
}

package trim

import "banger.dev/agent/internal/drives"

// OnHost is what the drives of a guest take on the host, nil where that is unknown.
type OnHost struct {
	OverlayBytes, WorkBytes *uint64
	// WorkBaseBytes is what the base image below the work disk has of its content, 0 without one.
	WorkBaseBytes uint64
}

// GuestDrives returns the drives of a guest: the root, of which only the part after the image is trimmed, and
// the work disk.
func GuestDrives(host OnHost) []Drive {
	imageBytes := drives.Here()[drives.Root].Sectors * drives.SectorBytes
	return []Drive{
		// The image's part of the root is a snapshot with chunks of 4 KiB, each of which would be a discard
		// of its own.
		{Mount: "/", From: imageBytes, HostBytes: host.OverlayBytes, SharedBytes: imageBytes},
		{Mount: "/root", HostBytes: host.WorkBytes, SharedBytes: host.WorkBaseBytes},
	}
}

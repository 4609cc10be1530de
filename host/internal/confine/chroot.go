package confine

import (
	"os"
	"path/filepath"
	"slices"
)

// Folders of a root that are the kernel's, not the system's own.
var kernelFolders = []string{"dev", "proc", "sys"}

// Devices that a program may use without reaching anything.
var devices = []string{"full", "null", "ptmx", "pts", "random", "shm", "tty", "urandom", "zero"}

// ownFolders are the folders of the system in root, without those of the kernel and without what a link leads
// to.
func ownFolders(root string) []string {
	entries, err := os.ReadDir(root)
	if err != nil {
		// Nothing is there to be written to.
		return nil
	}
	var folders []string
	for _, entry := range entries {
		if entry.IsDir() && !slices.Contains(kernelFolders, entry.Name()) {
			folders = append(folders, filepath.Join(root, entry.Name()))
		}
	}
	return folders
}

func harmlessDevices(root string) []string {
	var paths []string
	for _, name := range devices {
		paths = append(paths, filepath.Join(root, "dev", name))
	}
	return paths
}

package confine

import (
	"os"
	"path/filepath"
	"slices"
)

// Folders of a root that belong to the kernel, not to the system.
var kernelFolders = []string{"dev", "proc", "sys"}

// Devices that give a program access to nothing else.
var devices = []string{"full", "null", "ptmx", "pts", "random", "shm", "tty", "urandom", "zero"}

// ownFolders returns the folders in root that belong to the system. It leaves out those of the kernel, and
// links.
func ownFolders(root string) []string {
	entries, err := os.ReadDir(root)
	if err != nil {
		// There is no folder that could be written to.
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

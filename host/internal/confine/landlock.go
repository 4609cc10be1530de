package confine

import (
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	"github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Rights to what is below a path, by what they are for.
const (
	readRights landlock.AccessFSSet = syscall.AccessFSReadFile | syscall.AccessFSReadDir
	execRights landlock.AccessFSSet = readRights | syscall.AccessFSExecute
	// No folders, no links, no devices: nothing that another program could be led astray by.
	writeRights landlock.AccessFSSet = readRights | syscall.AccessFSWriteFile | syscall.AccessFSTruncate |
		syscall.AccessFSMakeReg | syscall.AccessFSRemoveFile
	treeRights landlock.AccessFSSet = writeRights | syscall.AccessFSExecute | syscall.AccessFSRemoveDir |
		syscall.AccessFSMakeChar | syscall.AccessFSMakeDir | syscall.AccessFSMakeSock | syscall.AccessFSMakeFifo |
		syscall.AccessFSMakeBlock | syscall.AccessFSMakeSym | syscall.AccessFSRefer
	deviceRights landlock.AccessFSSet = syscall.AccessFSReadFile | syscall.AccessFSWriteFile | syscall.AccessFSIoctlDev
	// those that a rule for a file, not a folder, may name
	fileRights landlock.AccessFSSet = syscall.AccessFSExecute | syscall.AccessFSReadFile | syscall.AccessFSWriteFile |
		syscall.AccessFSTruncate | syscall.AccessFSIoctlDev
)

// handled is what the rules speak of: files, and signals to and abstract sockets of programs outside. Of it,
// an older kernel takes what it knows. In one step, for a step without file rules would forbid every move
// from folder to folder. TCP is left alone.
func handled() landlock.Config {
	config := landlock.V9
	config.HandledAccessNet = 0
	return config.BestEffort()
}

// restrictFiles applies the file rules to this process. What the kernel lacks is left out, up to all of it.
func (p *Plan) restrictFiles() error {
	var rules []landlock.Rule
	add := func(rights landlock.AccessFSSet, paths []string) {
		for _, path := range paths {
			rules = append(rules, landlock.PathAccess(rightsFor(path, rights), path).IgnoreIfMissing())
		}
	}
	add(readRights, p.Read)
	add(writeRights, p.Write)
	add(treeRights, p.Tree)
	if p.holdsMap() {
		add(readRights, p.Map)
	} else {
		add(readRights|syscall.AccessFSWriteFile, p.Map)
	}
	add(execRights, p.Exec)
	add(execRights, p.programFiles())
	for _, root := range p.Chroot {
		// A rule holds for all that is below, mounts too, so what may be written is named one by one.
		add(treeRights&^(syscall.AccessFSWriteFile|syscall.AccessFSTruncate), []string{root})
		add(treeRights, ownFolders(root))
		add(deviceRights, harmlessDevices(root))
	}
	add(deviceRights, p.Device)
	return handled().Restrict(rules...)
}

// rightsFor leaves out what only folders can have when path is something else; the kernel would refuse such a
// rule.
func rightsFor(path string, rights landlock.AccessFSSet) landlock.AccessFSSet {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return rights & fileRights
	}
	return rights
}

package confine

import (
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	"github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Rights to everything below a path, by purpose.
const (
	readRights landlock.AccessFSSet = syscall.AccessFSReadFile | syscall.AccessFSReadDir
	execRights landlock.AccessFSSet = readRights | syscall.AccessFSExecute
	// No folders, links or devices, with which the program could mislead another one.
	writeRights landlock.AccessFSSet = readRights | syscall.AccessFSWriteFile | syscall.AccessFSTruncate |
		syscall.AccessFSMakeReg | syscall.AccessFSRemoveFile
	serveRights landlock.AccessFSSet = writeRights | syscall.AccessFSMakeSock
	treeRights  landlock.AccessFSSet = writeRights | syscall.AccessFSExecute | syscall.AccessFSRemoveDir |
		syscall.AccessFSMakeChar | syscall.AccessFSMakeDir | syscall.AccessFSMakeSock | syscall.AccessFSMakeFifo |
		syscall.AccessFSMakeBlock | syscall.AccessFSMakeSym | syscall.AccessFSRefer
	deviceRights landlock.AccessFSSet = syscall.AccessFSReadFile | syscall.AccessFSWriteFile | syscall.AccessFSIoctlDev
	// the rights that a rule for a file may contain
	fileRights landlock.AccessFSSet = syscall.AccessFSExecute | syscall.AccessFSReadFile | syscall.AccessFSWriteFile |
		syscall.AccessFSTruncate | syscall.AccessFSIoctlDev
)

// handled returns what the rules restrict: files, signals to programs outside, and their abstract sockets. An
// older kernel restricts what it knows of these. All are restricted in one step, because a step without file
// rules would forbid every move of a file between folders. TCP is not restricted.
func handled() landlock.Config {
	config := landlock.V9
	config.HandledAccessNet = 0
	return config.BestEffort()
}

// restrictFiles applies the file rules to this process. It leaves out the rules that the kernel does not
// support, which may be all.
func (p *Plan) restrictFiles() error {
	var rules []landlock.Rule
	add := func(rights landlock.AccessFSSet, paths []string) {
		for _, path := range paths {
			rules = append(rules, landlock.PathAccess(rightsFor(path, rights), path).IgnoreIfMissing())
		}
	}
	add(readRights, p.Read)
	add(writeRights, p.Write)
	add(serveRights, p.Serve)
	add(treeRights, p.Tree)
	if p.holdsMap() {
		add(readRights, p.Map)
	} else {
		add(readRights|syscall.AccessFSWriteFile, p.Map)
	}
	add(execRights, p.Exec)
	add(execRights, p.programFiles())
	for _, root := range p.Chroot {
		// A rule applies to everything below its path, mounts included, so the folders that the program may
		// write to are listed one by one.
		add(treeRights&^(syscall.AccessFSWriteFile|syscall.AccessFSTruncate), []string{root})
		add(treeRights, ownFolders(root))
		add(deviceRights, harmlessDevices(root))
	}
	add(deviceRights, p.Device)
	return handled().Restrict(rules...)
}

// rightsFor removes the rights that only folders can have if path is something else, because the kernel would
// refuse such a rule.
func rightsFor(path string, rights landlock.AccessFSSet) landlock.AccessFSSet {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return rights & fileRights
	}
	return rights
}

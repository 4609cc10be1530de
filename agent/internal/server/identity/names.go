package identity

import (
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

func (s System) hostname(name string) error {
	if err := s.SetHostname(name); err != nil {
		return err
	}
	if err := writeFile(s.Root+"/etc/hostname", []byte(name+"\n"), 0o644); err != nil {
		return err
	}
	hosts, err := readSmall(s.Root + "/etc/hosts")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeFile(s.Root+"/etc/hosts", hostsWith(hosts, name), 0o644)
}

// domain is the domain of guests: the host reaches the guest web as web.vm.
const domain = ".vm"

// hostsWith returns hosts(5) with the names of this machine as the only ones of 127.0.1.1, the address that
// Debian uses for them: first the qualified name, which hostname(1) -f prints, then the short one. All other
// lines stay, and localhost is added when it is missing.
func hostsWith(hosts []byte, name string) []byte {
	short, _, qualified := strings.Cut(name, ".")
	if !qualified {
		name += domain
	}
	own := "127.0.1.1\t" + name + " " + short
	var kept strings.Builder
	placed, hasLocalhost := false, false
	for line := range strings.Lines(string(hosts)) {
		line = strings.TrimRight(line, "\n")
		fields := strings.Fields(line)
		if len(fields) > 0 && fields[0] == "127.0.1.1" {
			if placed {
				continue
			}
			line, placed = own, true
		}
		hasLocalhost = hasLocalhost || len(fields) > 1 && fields[0] == "127.0.0.1"
		kept.WriteString(line + "\n")
	}
	head := ""
	if !hasLocalhost {
		head = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
	}
	if !placed {
		kept.WriteString(own + "\n")
	}
	return []byte(head + kept.String())
}

// machineID writes the machine id where machine-id(5) and D-Bus look for it. When the image's file is empty,
// systemd mounts a transient id from /run over it; machineID unmounts that, so that it can replace the file
// itself.
func (s System) machineID(id string) error {
	content := []byte(id + "\n")
	before, err := readSmall(s.Root + "/etc/machine-id")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.Unmount(s.Root + "/etc/machine-id"); err != nil {
		return err
	}
	if err := writeFile(s.Root+"/etc/machine-id", content, 0o444); err != nil {
		return err
	}
	// An image may have these copies; usually the second is a symlink to the first.
	for _, copied := range []string{"/run/machine-id", "/var/lib/dbus/machine-id"} {
		var info unix.Stat_t
		if unix.Lstat(s.Root+copied, &info) != nil || info.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		if err := writeFile(s.Root+copied, content, 0o444); err != nil {
			return err
		}
	}
	if old := strings.TrimSpace(string(before)); isMachineID(old) && old != id {
		return s.nameJournals(old, id)
	}
	return nil
}

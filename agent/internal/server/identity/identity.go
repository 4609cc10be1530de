// Package identity makes a guest its own: a restored snapshot has the clock, the random numbers and the names of the
// guest that it was taken from.
package identity

import (
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"strings"
	"time"

	"banger.dev/agent/internal/nic"
)

// Personalisation is what to change; what is not given stays.
type Personalisation struct {
	WallClockMs *int64   `json:"wallClockMs"`
	Entropy     []byte   `json:"entropyBase64"`
	Hostname    *string  `json:"hostname"`
	MachineID   *string  `json:"machineId"`
	Network     *Network `json:"network"`
	Files       []File   `json:"files"`
}

// File is written with its mode, owned by root, in the place of what is at Path.
type File struct {
	Path    string `json:"path"`
	Mode    uint32 `json:"mode"`
	Content []byte `json:"contentBase64"`
}

// System is the guest. Root is "" in a guest; tests give a directory, and functions in the place of what only root may do.
type System struct {
	Root        string
	SetClock    func(time.Time) error
	AddEntropy  func([]byte) error
	SetHostname func(string) error
	// SetNetwork gives the network interface these addresses and default gateways; without addresses it is down.
	SetNetwork func([]netip.Prefix, []netip.Addr) error
	// Unmount takes away what is mounted on a file. The error of a file that is no mount is not one.
	Unmount func(path string) error
}

// Guest is the system that the agent runs in.
func Guest() System {
	return System{SetClock: setClock, AddEntropy: addEntropy, SetHostname: setHostname, SetNetwork: nic.Set, Unmount: unmount}
}

// Check finds what is wrong with p before anything is changed.
func (p Personalisation) Check() error {
	if p.WallClockMs != nil && *p.WallClockMs <= 0 {
		return fmt.Errorf("wallClockMs %d is before 1970", *p.WallClockMs)
	}
	if p.Hostname != nil && !isHostname(*p.Hostname) {
		return fmt.Errorf("%q is no hostname", *p.Hostname)
	}
	if p.MachineID != nil && !isMachineID(*p.MachineID) {
		return fmt.Errorf("%q is no machine-id", *p.MachineID)
	}
	if p.Network != nil {
		if err := p.Network.check(); err != nil {
			return err
		}
	}
	for _, file := range p.Files {
		if !path.IsAbs(file.Path) || path.Clean(file.Path) != file.Path || file.Path == "/" || strings.ContainsRune(file.Path, 0) {
			return fmt.Errorf("file path %q is not absolute and clean", file.Path)
		}
		if file.Mode > 0o7777 {
			return fmt.Errorf("mode %o of %q has more than permission bits", file.Mode, file.Path)
		}
	}
	return nil
}

// Apply does the steps in order and stops at the first that fails; what was done before it stays. The error begins
// with the step's name.
func (s System) Apply(p Personalisation) error {
	steps := []struct {
		name  string
		given bool
		do    func() error
	}{
		{"clock", p.WallClockMs != nil, func() error { return s.SetClock(time.UnixMilli(*p.WallClockMs)) }},
		{"entropy", len(p.Entropy) > 0, func() error { return s.AddEntropy(p.Entropy) }},
		{"hostname", p.Hostname != nil, func() error { return s.hostname(*p.Hostname) }},
		{"machine-id", p.MachineID != nil, func() error { return s.machineID(*p.MachineID) }},
		{"network", p.Network != nil, func() error { return s.network(*p.Network) }},
		{"files", len(p.Files) > 0, func() error { return s.files(p.Files) }},
	}
	for _, step := range steps {
		if !step.given {
			continue
		}
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (s System) files(files []File) error {
	for _, file := range files {
		if err := replaceFile(s.Root+file.Path, file.Content, fs.FileMode(file.Mode)); err != nil {
			return err
		}
	}
	return nil
}

// isHostname follows RFC 1123, and Linux's limit of 64.
func isHostname(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}

// isMachineID follows machine-id(5).
func isMachineID(id string) bool {
	return len(id) == 32 && strings.Trim(id, "0123456789abcdef") == "" && strings.Trim(id, "0") != ""
}

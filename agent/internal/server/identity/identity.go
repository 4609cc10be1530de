// Package identity makes a guest its own: a restored snapshot has the clock, the random numbers and the names
// of the guest that it was taken from.
package identity

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// File is something at Path that is to be there, owned by root.
type File struct {
	Path string `json:"path"`
	Mode uint32 `json:"mode"`
	// SizeBytes is how much of what follows the JSON is this file's content.
	SizeBytes int    `json:"sizeBytes"`
	Content   []byte `json:"-"`
	// How is Replace when empty.
	How string `json:"how"`
	// Optional: the guest is used without it when it cannot be written.
	Optional bool `json:"optional"`
}

// How a File is put into its place.
const (
	// Replace takes the place of what is there.
	Replace = "replace"
	// Create does nothing when something is there.
	Create = "create"
	// AddLines adds those lines of the content that the file there lacks.
	AddLines = "add-lines"
	// Folder makes a folder when nothing is there.
	Folder = "folder"
)

// Unwritten is an optional file that could not be written, and why.
type Unwritten struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

// System is the guest. Root is "" in a guest; what only root may do, and only to a machine of its own, is in
// the functions.
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

// StepError is the failure of one step.
type StepError struct {
	Step string
	Err  error
}

func (e *StepError) Error() string { return e.Step + ": " + e.Err.Error() }

func (e *StepError) Unwrap() error { return e.Err }

// Guest is the system that the agent runs in.
func Guest() System {
	return System{
		SetClock:    setClock,
		AddEntropy:  addEntropy,
		SetHostname: setHostname,
		SetNetwork:  new(nic.Interface).Set,
		Unmount:     unmount,
	}
}

const (
	// maxHeaderBytes holds the names of ten thousand files.
	maxHeaderBytes = 4 << 20
	// maxContentBytes is held in memory.
	maxContentBytes = 16 << 20
)

// Read reads a request: one line of JSON, then the contents of its files, one behind the other. Contents are
// not in the JSON because an emulated guest takes a second for 6 MB of it. It finds all that is wrong before
// anything is changed.
func Read(from io.Reader) (Personalisation, error) {
	var p Personalisation
	r := bufio.NewReaderSize(from, 16<<10)
	header, err := readLine(r)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(header, &p); err != nil {
		return p, fmt.Errorf("bad JSON: %w", err)
	}
	if err := p.check(); err != nil {
		return p, err
	}
	for i := range p.Files {
		p.Files[i].Content = make([]byte, p.Files[i].SizeBytes)
		if _, err := io.ReadFull(r, p.Files[i].Content); err != nil {
			return p, fmt.Errorf("content of %q: %w", p.Files[i].Path, err)
		}
	}
	if _, err := r.ReadByte(); err != io.EOF {
		return p, errors.New("something follows the contents")
	}
	return p, nil
}

func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if err == nil || errors.Is(err, io.EOF) {
			return line, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(line) > maxHeaderBytes {
			return nil, fmt.Errorf("the JSON is longer than %d bytes", maxHeaderBytes)
		}
	}
}

func (p Personalisation) check() error {
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
	contentBytes := 0
	for _, file := range p.Files {
		if file.SizeBytes < 0 || file.SizeBytes > maxContentBytes-contentBytes {
			return fmt.Errorf("%d bytes of %q are more than may come", file.SizeBytes, file.Path)
		}
		contentBytes += file.SizeBytes
		if !path.IsAbs(file.Path) || path.Clean(file.Path) != file.Path || file.Path == "/" || strings.ContainsRune(file.Path, 0) {
			return fmt.Errorf("file path %q is not absolute and clean", file.Path)
		}
		if file.Mode > 0o7777 {
			return fmt.Errorf("mode %o of %q has more than permission bits", file.Mode, file.Path)
		}
		if _, known := writers[file.How]; !known {
			return fmt.Errorf("%q is no way to write %q", file.How, file.Path)
		}
	}
	return nil
}

// Apply does the steps in order and stops at the first that fails, with a *StepError; what was done before it
// stays. WallClockMs is the time at which the request came, at receivedAt by this machine's monotonic clock.
// Optional files that could not be written fail no step.
func (s System) Apply(p Personalisation, receivedAt time.Time) (unwritten []Unwritten, err error) {
	steps := []struct {
		name  string
		given bool
		do    func() error
	}{
		{"clock", p.WallClockMs != nil, func() error {
			return s.SetClock(time.UnixMilli(*p.WallClockMs).Add(time.Since(receivedAt)))
		}},
		{"entropy", len(p.Entropy) > 0, func() error { return s.AddEntropy(p.Entropy) }},
		{"hostname", p.Hostname != nil, func() error { return s.hostname(*p.Hostname) }},
		{"machine-id", p.MachineID != nil, func() error { return s.machineID(*p.MachineID) }},
		{"network", p.Network != nil, func() error { return s.network(*p.Network) }},
		{"files", len(p.Files) > 0, func() error { unwritten, err = s.files(p.Files); return err }},
	}
	for _, step := range steps {
		if !step.given {
			continue
		}
		if err := step.do(); err != nil {
			return nil, &StepError{step.name, err}
		}
	}
	return unwritten, nil
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

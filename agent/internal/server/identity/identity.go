// Package identity gives a guest an identity of its own: a restored snapshot starts with the clock, the
// random numbers and the names of the guest from which it was taken.
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

	"banger.dev/agent/internal/beside"
	"banger.dev/agent/internal/ext4"
	"banger.dev/agent/internal/nic"
	"banger.dev/agent/internal/server/process"
	"banger.dev/agent/internal/workdisk"
)

// Personalisation is what to change; a field that is not set changes nothing.
type Personalisation struct {
	WallClockMs  *int64        `json:"wallClockMs"`
	Entropy      []byte        `json:"entropyBase64"`
	Hostname     *string       `json:"hostname"`
	MachineID    *string       `json:"machineId"`
	Network      *Network      `json:"network"`
	Surroundings *Surroundings `json:"surroundings"`
	// WorkDisk is a mode of package workdisk.
	WorkDisk *string `json:"workDisk"`
	User     *User   `json:"user"`
	Files    []File  `json:"files"`
}

// File is a file or folder that is to exist at Path, owned by root.
type File struct {
	Path string `json:"path"`
	Mode uint32 `json:"mode"`
	// SizeBytes is the length of this file's content, which follows the JSON.
	SizeBytes int    `json:"sizeBytes"`
	Content   []byte `json:"-"`
	// How is Replace when empty.
	How string `json:"how"`
	// Optional: a failure to write it fails no step.
	Optional bool `json:"optional"`
}

// How a File is written.
const (
	// Replace replaces what is there.
	Replace = "replace"
	// Create does nothing when the path exists.
	Create = "create"
	// AddLines appends those lines of the content that the existing file lacks.
	AddLines = "add-lines"
	// Folder creates a folder when the path does not exist.
	Folder = "folder"
)

// Unwritten is an optional file that could not be written, and why.
type Unwritten struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

// System is the machine to change. Root is "" in a guest. The functions do what needs root, and must only
// happen to a machine of its own.
type System struct {
	Root        string
	SetClock    func(time.Time) error
	AddEntropy  func([]byte) error
	SetHostname func(string) error
	// SetNetwork gives the network interface these addresses and default gateways; without addresses it
	// brings the interface down.
	SetNetwork func([]netip.Prefix, []netip.Addr) error
	// SetWorkDisk mounts or releases the work disk.
	SetWorkDisk func(mode string) error
	// SetHome makes the home of a user a view of the work disk, and isFilled copies what the image has there.
	SetHome func(account process.Account, isFilled bool) error
	// Unmount unmounts what is mounted on a file. It returns nil when nothing is mounted there.
	Unmount func(path string) error
}

// StepError is the failure of one step.
type StepError struct {
	Step string
	Err  error
}

func (e *StepError) Error() string { return e.Step + ": " + e.Err.Error() }

func (e *StepError) Unwrap() error { return e.Err }

// Guest returns the System of the guest in which the agent runs. began is as in workdisk.Disk.
func Guest(began func(folder string, mounted ext4.Mounted)) System {
	return System{
		SetClock:    setClock,
		AddEntropy:  addEntropy,
		SetHostname: setHostname,
		SetNetwork:  new(nic.Interface).Set,
		SetWorkDisk: (&workdisk.Disk{Began: began}).Apply,
		SetHome:     setHome,
		Unmount:     unmount,
	}
}

const (
	// maxHeaderBytes has room for the names of ten thousand files.
	maxHeaderBytes = 4 << 20
	// maxContentBytes bounds the contents, because they are in memory.
	maxContentBytes = 16 << 20
)

// Read reads a request: one line of JSON, then the contents of its files without separators. Contents are not
// in the JSON because an emulated guest takes a second to parse 6 MB of it. Read rejects every invalid value,
// so that an invalid request changes nothing.
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
		return p, errors.New("there is data after the contents")
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
		return fmt.Errorf("%q is not a hostname", *p.Hostname)
	}
	if p.MachineID != nil && !isMachineID(*p.MachineID) {
		return fmt.Errorf("%q is not a machine id", *p.MachineID)
	}
	if p.Network != nil {
		if err := p.Network.check(); err != nil {
			return err
		}
	}
	if p.Surroundings != nil {
		if err := p.Surroundings.check(); err != nil {
			return err
		}
	}
	if p.WorkDisk != nil && *p.WorkDisk != workdisk.ModeMount && *p.WorkDisk != workdisk.ModeRelease {
		return fmt.Errorf("unknown value %q for the work disk", *p.WorkDisk)
	}
	if p.User != nil {
		if err := p.User.check(); err != nil {
			return err
		}
	}
	contentBytes := 0
	for _, file := range p.Files {
		if file.SizeBytes < 0 || file.SizeBytes > maxContentBytes-contentBytes {
			return fmt.Errorf("content of %q has an invalid length: %d bytes", file.Path, file.SizeBytes)
		}
		contentBytes += file.SizeBytes
		if !path.IsAbs(file.Path) || path.Clean(file.Path) != file.Path || file.Path == "/" || strings.ContainsRune(file.Path, 0) {
			return fmt.Errorf("file path %q is not absolute and clean", file.Path)
		}
		if file.Mode > 0o7777 {
			return fmt.Errorf("mode %o of %q has bits other than permissions", file.Mode, file.Path)
		}
		if _, known := writers[file.How]; !known {
			return fmt.Errorf("unknown value %q for how to write %q", file.How, file.Path)
		}
	}
	return nil
}

// Apply runs the steps in order. When one fails, it returns a *StepError and leaves the steps before it done.
// WallClockMs is the time at which the request arrived, which was receivedAt by this machine's monotonic
// clock. Apply returns the optional files that it could not write; they fail no step.
func (s System) Apply(p Personalisation, receivedAt time.Time) (unwritten []Unwritten, err error) {
	workDisk := func() error { return nil }
	// Nothing of a request may run beside the next one.
	defer func() { _ = workDisk() }()
	steps := []struct {
		name  string
		given bool
		do    func() error
	}{
		{"clock", p.WallClockMs != nil, func() error {
			return s.SetClock(time.UnixMilli(*p.WallClockMs).Add(time.Since(receivedAt)))
		}},
		// The disk takes a while, and only files need it.
		{"work-disk", p.WorkDisk != nil, func() error {
			workDisk = beside.Run(func() error { return s.SetWorkDisk(*p.WorkDisk) })
			return nil
		}},
		{"entropy", len(p.Entropy) > 0, func() error { return s.AddEntropy(p.Entropy) }},
		{"hostname", p.Hostname != nil, func() error { return s.hostname(*p.Hostname) }},
		{"machine-id", p.MachineID != nil, func() error { return s.machineID(*p.MachineID) }},
		{"network", p.Network != nil, func() error { return s.network(*p.Network) }},
		{"surroundings", p.Surroundings != nil, func() error {
			unwritten = s.surroundings(*p.Surroundings)
			return nil
		}},
		{"work-disk", true, func() error { return workDisk() }},
		{"user", p.User != nil, func() error { return s.user(*p.User) }},
		{"files", len(p.Files) > 0, func() error {
			left, err := s.files(p.Files)
			unwritten = append(unwritten, left...)
			return err
		}},
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

// isHostname follows RFC 1123 and Linux's limit of 64 bytes.
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

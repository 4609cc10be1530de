package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
)

const maxBody = 51_200

type machineConfig struct {
	Cpus   *int   `json:"vcpu_count"`
	Memory *int   `json:"mem_size_mib"`
	Smt    bool   `json:"smt"`
	Track  bool   `json:"track_dirty_pages"`
	Pages  string `json:"huge_pages"`
}

type bootSource struct {
	Kernel *string `json:"kernel_image_path"`
	Initrd *string `json:"initrd_path"`
	Args   string  `json:"boot_args"`
}

type drive struct {
	ID       *string `json:"drive_id"`
	Path     *string `json:"path_on_host"`
	Root     *bool   `json:"is_root_device"`
	ReadOnly *bool   `json:"is_read_only"`
	Cache    string  `json:"cache_type"`
	Engine   string  `json:"io_engine"`
}

type vsock struct {
	Cid      *int    `json:"guest_cid"`
	Uds      *string `json:"uds_path"`
	path     string
	listener net.Listener
}

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = fmt.Errorf("Request payload is too large.")
	}
	// What the real one cannot parse.
	if err == nil && len(body) > 0 && (len(r.TransferEncoding) > 0 || r.Header.Get("Content-Type") != "application/json") {
		err = fmt.Errorf("Invalid header.")
	}
	return body, err
}

// decode reads a body that has no other fields than those of into.
func decode(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("An error occurred when deserializing the json body of a request: %w.", err)
	}
	return nil
}

func (m *machine) setConfig(body []byte) error {
	config := &machineConfig{}
	if err := decode(body, config); err != nil {
		return err
	}
	if config.Cpus == nil || config.Memory == nil {
		return fmt.Errorf("missing field `vcpu_count` or `mem_size_mib`")
	}
	if *config.Cpus < 1 || *config.Cpus > 32 {
		return fmt.Errorf("The vCPU number is invalid! The vCPU number can only be 1 or an even number when SMT is enabled.")
	}
	if *config.Memory < 1 {
		return fmt.Errorf("The memory size (MiB) is invalid.")
	}
	m.config = config
	return nil
}

func (m *machine) setBoot(body []byte) error {
	boot := &bootSource{}
	if err := decode(body, boot); err != nil {
		return err
	}
	if boot.Kernel == nil {
		return fmt.Errorf("missing field `kernel_image_path`")
	}
	for _, path := range []*string{boot.Kernel, boot.Initrd} {
		if path == nil {
			continue
		}
		file, err := os.Open(*path)
		if err != nil {
			return fmt.Errorf("The kernel file or the initrd cannot be opened: %w", err)
		}
		file.Close()
	}
	m.boot = boot
	return nil
}

func (m *machine) addDrive(name string, body []byte) error {
	var added drive
	if err := decode(body, &added); err != nil {
		return err
	}
	if added.ID == nil || added.Root == nil || added.Path == nil || added.ReadOnly == nil {
		return fmt.Errorf("missing field of a drive")
	}
	if *added.ID != name {
		return fmt.Errorf("The id from the path [%s] does not match the id from the body [%s]!", name, *added.ID)
	}
	if !slices.Contains([]string{"", "Unsafe", "Writeback"}, added.Cache) {
		return fmt.Errorf("unknown variant `%s` of cache_type", added.Cache)
	}
	for _, other := range m.drives {
		if *other.ID == name {
			return fmt.Errorf("a test adds no drive twice")
		}
	}
	if err := openDrive(*added.Path, *added.ReadOnly); err != nil {
		return err
	}
	m.drives = append(m.drives, added)
	return nil
}

func (m *machine) replaceDrive(name string, body []byte) error {
	var changed struct {
		ID   *string `json:"drive_id"`
		Path *string `json:"path_on_host"`
	}
	if err := decode(body, &changed); err != nil {
		return err
	}
	for at, known := range m.drives {
		if changed.ID == nil || *known.ID != *changed.ID || name != *changed.ID || changed.Path == nil {
			continue
		}
		if err := openDrive(*changed.Path, *known.ReadOnly); err != nil {
			return err
		}
		m.drives[at].Path = changed.Path
		return nil
	}
	return fmt.Errorf("Invalid block device ID!")
}

func openDrive(path string, readOnly bool) error {
	how := os.O_RDWR
	if readOnly {
		how = os.O_RDONLY
	}
	file, err := os.OpenFile(path, how, 0)
	if err != nil {
		return fmt.Errorf("Unable to create the virtio block device: %w", err)
	}
	// Stays open, as that of a device.
	kept = append(kept, file)
	return nil
}

// kept holds the files of drives, which would be closed when they are garbage.
var kept []*os.File

func (m *machine) setState(body []byte) error {
	var wanted struct {
		State *string `json:"state"`
	}
	if err := decode(body, &wanted); err != nil {
		return err
	}
	states := map[string]string{"Paused": "Paused", "Resumed": "Running"}
	if wanted.State == nil || states[*wanted.State] == "" {
		return fmt.Errorf("unknown variant of `state`")
	}
	m.state = states[*wanted.State]
	return nil
}

func (m *machine) setVsock(body []byte) error {
	device := &vsock{}
	if err := decode(body, device); err != nil {
		return err
	}
	if device.Cid == nil || *device.Cid < 3 || device.Uds == nil {
		return fmt.Errorf("missing field of the vsock device")
	}
	listener, err := net.Listen("unix", *device.Uds)
	if err != nil {
		return fmt.Errorf("Cannot create backend for vsock device: %w", err)
	}
	device.path, device.listener = *device.Uds, listener
	m.vsock = device
	return nil
}

// serveVsock connects who asks for the agent's port with the guest behind socket.
func (m *machine) serveVsock(socket string) {
	for {
		host, err := m.vsock.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer host.Close()
			line := make([]byte, 0, 32)
			for one := make([]byte, 1); !bytes.HasSuffix(line, []byte("\n")) && len(line) < 32; line = append(line, one[0]) {
				if _, err := host.Read(one); err != nil {
					return
				}
			}
			if string(line) != "CONNECT 1024\n" {
				return
			}
			if socket == "" {
				fmt.Fprint(host, "OK 1073741824\n")
				_, _ = io.Copy(host, host)
				return
			}
			guest, err := net.Dial("unix", socket)
			if err != nil {
				return
			}
			defer guest.Close()
			fmt.Fprint(host, "OK 1073741824\n")
			go func() {
				_, _ = io.Copy(guest, host)
				guest.Close()
			}()
			_, _ = io.Copy(host, guest)
		}()
	}
}

func lockThread() { runtime.LockOSThread() }

func readLines(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// Package confine puts a wall around a program: it may use only some files (Landlock), may not make some of
// the system calls that Landlock does not control (seccomp), gets no new privileges, and no descriptors
// except those that it is meant to have.
package confine

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// Plan describes a program and what it may do.
type Plan struct {
	// files, and folders with their content, that it may read
	Read []string
	// folders in which it may read, and create, write and remove regular files, and remove sockets
	Write []string
	// folders in which it may also create Unix sockets, to listen on; it may connect none
	Serve []string
	// folders in which it may do all that the user may: also create folders, links and devices, and run
	// programs
	Tree []string
	// root folders of other systems, in which it may do everything except write to the kernel's files (proc,
	// sys, dev)
	Chroot []string
	// files that the program opens for writing, but only maps privately
	Map []string
	// files and folders that it may read and run
	Exec []string
	// devices that it may read, write and control
	Device []string
	// sockets that are created for the program to listen on: its descriptors 3, 4, ...
	Listen []string
	// families of sockets that it may create itself
	Sockets []string
	// files to which the log keeper writes the console of the program's guest, and the program's stdout and
	// stderr; MaxLog is the most bytes of each. The console is the program's descriptor after those of Listen
	Console, Log string
	MaxLog       int64
	// whether the program keeps all open descriptors
	KeepsDescriptors bool
	// the program's absolute path and its arguments
	Argv []string
}

// Parse parses the command line of "confine".
func Parse(args []string) (*Plan, error) {
	plan := &Plan{}
	paths := map[string]*[]string{
		"--read":   &plan.Read,
		"--write":  &plan.Write,
		"--serve":  &plan.Serve,
		"--tree":   &plan.Tree,
		"--chroot": &plan.Chroot,
		"--map":    &plan.Map,
		"--exec":   &plan.Exec,
		"--device": &plan.Device,
		"--listen": &plan.Listen,
	}
	for len(args) > 0 && args[0] != "--" {
		if len(args) < 2 {
			return nil, fmt.Errorf("confine: %s needs a value", args[0])
		}
		option, value := args[0], args[1]
		args = args[2:]
		if list, ok := paths[option]; ok {
			if !filepath.IsAbs(value) {
				return nil, fmt.Errorf("confine: %s %q is not an absolute path", option, value)
			}
			*list = append(*list, value)
			continue
		}
		if err := plan.set(option, value); err != nil {
			return nil, err
		}
	}
	if (plan.Console == "") != (plan.Log == "") || (plan.Console == "") != (plan.MaxLog == 0) {
		return nil, fmt.Errorf("confine: --console, --log and --max-log go together")
	}
	if len(args) < 2 {
		return nil, fmt.Errorf("confine: there is no program after --")
	}
	plan.Argv = args[1:]
	if !filepath.IsAbs(plan.Argv[0]) {
		return nil, fmt.Errorf("confine: the program %q is not an absolute path", plan.Argv[0])
	}
	if plan.KeepsDescriptors && (plan.Console != "" || len(plan.Listen) > 0) {
		return nil, fmt.Errorf("confine: --descriptors all cannot be combined with --listen or logs")
	}
	return plan, nil
}

// set sets an option that is not a list of paths.
func (p *Plan) set(option, value string) error {
	switch option {
	case "--socket":
		if _, ok := families[value]; !ok {
			return fmt.Errorf("confine: unknown socket family %q", value)
		}
		p.Sockets = append(p.Sockets, value)
	case "--descriptors":
		if value != "all" {
			return fmt.Errorf("confine: unknown value %q for --descriptors", value)
		}
		p.KeepsDescriptors = true
	case "--console":
		p.Console = value
	case "--log":
		p.Log = value
	case "--max-log":
		size, err := strconv.ParseInt(value, 10, 64)
		if err != nil || size <= 0 {
			return fmt.Errorf("confine: %q is not a valid size for a log", value)
		}
		p.MaxLog = size
	default:
		return fmt.Errorf("confine: unknown option %q", option)
	}
	return nil
}

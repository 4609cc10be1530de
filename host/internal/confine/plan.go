// Package confine puts a wall around a program: what it may reach of the file system (Landlock), which system
// calls that Landlock does not see it may make (seccomp), no new privileges, and no descriptor but those that
// it is meant to have.
package confine

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// Plan is what a confined program may do, and the program.
type Plan struct {
	// files and folders with all that is in them, to read
	Read []string
	// folders, to read, and to make, write, and remove regular files and sockets in
	Write []string
	// folders, to do anything in that their owner may do: make folders, links and devices, run programs
	Tree []string
	// folders that are the root of another system, to do anything in but write to its kernel's files (proc, sys,
	// dev)
	Chroot []string
	// files that the program opens as if to write, and only maps for itself
	Map []string
	// files and folders, to read and to run
	Exec []string
	// devices, to read, write, and control
	Device []string
	// sockets that are made for the program to listen on: its descriptors 3, 4, ...
	Listen []string
	// families of sockets that it may make itself
	Sockets []string
	// files that a process of our own writes the program's console and its stdout and stderr to, and most bytes
	// of each; the console is the program's descriptor behind those of Listen
	Console, Log string
	MaxLog       int64
	// whether the program keeps all descriptors that are open
	KeepsDescriptors bool
	// the program's absolute path and its arguments
	Argv []string
}

// Parse reads the command line of "confine".
func Parse(args []string) (*Plan, error) {
	plan := &Plan{}
	paths := map[string]*[]string{
		"--read":   &plan.Read,
		"--write":  &plan.Write,
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
		return nil, fmt.Errorf("confine: no program is named after --")
	}
	plan.Argv = args[1:]
	if !filepath.IsAbs(plan.Argv[0]) {
		return nil, fmt.Errorf("confine: the program %q is not an absolute path", plan.Argv[0])
	}
	if plan.KeepsDescriptors && (plan.Console != "" || len(plan.Listen) > 0) {
		return nil, fmt.Errorf("confine: --descriptors all leaves no place for others")
	}
	return plan, nil
}

// set takes an option that is no list of paths.
func (p *Plan) set(option, value string) error {
	switch option {
	case "--socket":
		if _, ok := families[value]; !ok {
			return fmt.Errorf("confine: unknown family of sockets %q", value)
		}
		p.Sockets = append(p.Sockets, value)
	case "--descriptors":
		if value != "all" {
			return fmt.Errorf("confine: unknown choice of descriptors %q", value)
		}
		p.KeepsDescriptors = true
	case "--console":
		p.Console = value
	case "--log":
		p.Log = value
	case "--max-log":
		size, err := strconv.ParseInt(value, 10, 64)
		if err != nil || size <= 0 {
			return fmt.Errorf("confine: %q is no size of a log", value)
		}
		p.MaxLog = size
	default:
		return fmt.Errorf("confine: unknown option %q", option)
	}
	return nil
}

package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// printed is what a command prints last.
type printed struct {
	Image *struct {
		Reference      string         `json:"reference"`
		ManifestDigest string         `json:"manifestDigest"`
		ConfigDigest   string         `json:"configDigest"`
		Platform       string         `json:"platform"`
		Layers         []any          `json:"layers"`
		Config         map[string]any `json:"config"`
	} `json:"image"`
	Rootfs *struct {
		SizeBytes, UnpackedBytes int64
		Entries                  int
		LeftOut                  []string
	} `json:"rootfs"`
	Artifact *struct {
		ManifestDigest string
		Files          int
	} `json:"artifact"`
	Pushed *struct {
		Reference, ManifestDigest  string
		Uploaded, Mounted, Present int
		UploadedBytes              int64
	} `json:"pushed"`
	Exported *struct {
		ManifestDigest string
		Layers         int
		SizeBytes      int64
	} `json:"exported"`
	PackedLeftOut []string                              `json:"leftOut"`
	LayerEntries  int                                   `json:"layerEntries"`
	Error         *struct{ Code, Message, Hint string } `json:"error"`
	// status is the exit status, and progress the lines before the last one.
	status   int
	progress []string
}

func (p printed) code() string {
	if p.Error == nil {
		return ""
	}
	return p.Error.Code
}

func run(t testing.TB, command command, args ...string) printed {
	t.Helper()
	return runIn(t, t.Context(), command, args...)
}

func runIn(t testing.TB, ctx context.Context, command command, args ...string) printed {
	t.Helper()
	var out bytes.Buffer
	found := printed{status: runCommand(ctx, command, args, &out)}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if last := lines[len(lines)-1]; last != "" {
		if err := json.Unmarshal([]byte(last), &found); err != nil {
			t.Fatalf("%s: %v", last, err)
		}
	}
	found.progress = lines[:len(lines)-1]
	return found
}

// ok fails the test when a command failed.
func (p printed) ok(t testing.TB) printed {
	t.Helper()
	if p.status != 0 {
		t.Fatalf("status %d: %+v", p.status, p.Error)
	}
	return p
}

func startRegistry(t testing.TB) (url, host string) {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return server.URL, strings.TrimPrefix(server.URL, "http://")
}

// noAuth is an option that keeps the credentials of the user out of a test.
func noAuth(t testing.TB) string { return "--auth=" + filepath.Join(t.TempDir(), "none") }

// rootfsOf makes the root file system of an image in a store, and checks it.
func rootfsOf(t testing.TB, store, digest string, args ...string) (string, printed) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "rootfs.ext4")
	found := run(t, makeRootfs, append([]string{"--store", store, "--manifest", digest, "--out", out}, args...)...).ok(t)
	requireClean(t, out)
	return out, found
}

func requireClean(t testing.TB, image string) {
	t.Helper()
	out, err := exec.Command("/usr/sbin/e2fsck", "-fn", image).CombinedOutput()
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("e2fsck is not installed")
	}
	if err != nil {
		t.Fatalf("e2fsck: %v\n%s", err, out)
	}
}

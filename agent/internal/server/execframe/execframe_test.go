package execframe

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestReaderReadsWhatAppendWrote(t *testing.T) {
	payloads := [][]byte{nil, []byte("x"), bytes.Repeat([]byte{7}, MaxPayloadBytes)}
	var stream []byte
	for i, payload := range payloads {
		stream = Append(stream, byte(i), payload)
	}
	for name, r := range map[string]io.Reader{
		"whole":    bytes.NewReader(stream),
		"halves":   iotest.HalfReader(bytes.NewReader(stream)),
		"end same": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		frames := NewReader(r)
		for i, want := range payloads {
			kind, length, err := frames.Next()
			if err != nil || int(kind) != i || length != len(want) {
				t.Fatalf("%s: frame %d is type %d, %d bytes, error %v", name, i, kind, length, err)
			}
			got, err := frames.Payload()
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: frame %d holds %d bytes, error %v", name, i, len(got), err)
			}
		}
		if _, _, err := frames.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("%s: want the end, got %v", name, err)
		}
	}
}

func TestNextSkipsAnUnreadPayload(t *testing.T) {
	frames := NewReader(bytes.NewReader(Append(Append(nil, Stdin, []byte("unread")), StdinEnd, nil)))
	for _, want := range []byte{Stdin, StdinEnd} {
		if kind, _, err := frames.Next(); err != nil || kind != want {
			t.Fatalf("got type %d, error %v", kind, err)
		}
	}
}

func TestNextRefusesALongFrame(t *testing.T) {
	var header [HeaderBytes]byte
	PutHeader(header[:], Stdin, MaxPayloadBytes+1)
	if _, _, err := NewReader(bytes.NewReader(header[:])).Next(); !errors.Is(err, ErrTooLong) {
		t.Fatalf("got %v", err)
	}
}

func TestAStreamThatEndsInsideAFrameIsAnError(t *testing.T) {
	whole := Append(nil, Stdin, []byte("abc"))
	for cut := 1; cut < len(whole); cut++ {
		frames := NewReader(bytes.NewReader(whole[:cut]))
		_, _, err := frames.Next()
		if err == nil {
			_, err = frames.Payload()
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: got %v", cut, err)
		}
	}
}

func FuzzReaderReadsTheFramesAndNothingBeyondThem(f *testing.F) {
	f.Add(Append(Append(nil, Start, []byte("{}")), StdinEnd, nil))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		frames := NewReader(bytes.NewReader(stream))
		var again []byte
		for {
			kind, length, err := frames.Next()
			if err != nil {
				break
			}
			payload, err := frames.Payload()
			if err != nil {
				break
			}
			if len(payload) != length || length > MaxPayloadBytes {
				t.Fatalf("%d bytes of %d", len(payload), length)
			}
			again = Append(again, kind, payload)
		}
		if !bytes.HasPrefix(stream, again) {
			t.Fatal("frames differ from the stream")
		}
	})
}

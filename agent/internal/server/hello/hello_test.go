package hello

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

const (
	nonceA = "0123456789abcdef0123456789abcdef"
	nonceB = "ffffffffffffffffffffffffffffffff"
)

func meet(t *testing.T, input string) (answer string, rest string, err error) {
	t.Helper()
	r := bufio.NewReaderSize(strings.NewReader(input), 256)
	var w bytes.Buffer
	err = Meet(r, &w)
	left, _ := io.ReadAll(r)
	return w.String(), string(left), err
}

func TestMeetAnswersHellosUntilThePreface(t *testing.T) {
	a, b := string(Line(nonceA)), string(Line(nonceB))
	for name, test := range map[string]struct{ input, answer string }{
		"a hello":                           {a + Preface, a},
		"hellos that waited":                {a + b + Preface, a + b},
		"garbage on lines before":           {"\x00\xff\nGET / HTTP/1.1\r\n\r\n" + a + Preface, a},
		"garbage on the same line":          {"\x00\x07garbage" + a + Preface, a},
		"half a hello before":               {a[:20] + b + Preface, b},
		"more garbage than the buffer":      {strings.Repeat("x", 10_000) + a + Preface, a},
		"a hello across the buffer's end":   {strings.Repeat("x", 230) + a + Preface, a},
		"padding":                           {strings.Repeat("\n", 16_393) + a + Preface, a},
		"frames after a hello, then a host": {a + "\x00\x00\x04\x08\x00\n" + b + Preface, a + b},
		"half a preface, then a host":       {a + Preface[:20] + "\n" + b + Preface, a + b},
		"a preface before the hello":        {Preface + a + Preface, a},
		"another generation first":          {"BANGER/2 " + nonceA + "\n" + b + Preface, a + b},
	} {
		t.Run(name, func(t *testing.T) {
			answer, rest, err := meet(t, test.input+"rest")
			if err != nil || answer != test.answer || rest != "rest" {
				t.Fatalf("got answer %q, rest %q, error %v; want answer %q", answer, rest, err, test.answer)
			}
		})
	}
}

func TestMeetIgnoresAnythingButAHello(t *testing.T) {
	for _, line := range []string{
		"BANGER/1 " + nonceA[:31],
		"BANGER/1 " + nonceA + "0",
		"BANGER/1 " + strings.ToUpper(nonceA),
		"BANGER/ " + nonceA,
		"BANGER/1234567890 " + nonceA,
		"BANGER/-1 " + nonceA,
		"BANGER/1" + nonceA,
		"BANGER/1 " + nonceA + "\r",
	} {
		answer, _, err := meet(t, line+"\n"+Preface)
		if answer != "" || !errors.Is(err, io.EOF) {
			t.Errorf("%q: got answer %q, error %v", line, answer, err)
		}
	}
}

func TestMeetEchoesAnEarlierGenerationThatItServes(t *testing.T) {
	hello := fmt.Sprintf("BANGER/%d %s\n", OldestGeneration, nonceA)
	answer, rest, err := meet(t, hello+Preface+"rest")
	if answer != hello || rest != "rest" || err != nil {
		t.Fatalf("got answer %q, rest %q, error %v", answer, rest, err)
	}
}

func TestMeetRequiresAGenerationThatItServesBeforeThePreface(t *testing.T) {
	answer, _, err := meet(t, "BANGER/7 "+nonceA+"\n"+Preface)
	if answer != string(Line(nonceA)) || !errors.Is(err, io.EOF) {
		t.Fatalf("got answer %q, error %v", answer, err)
	}
}

func FuzzMeetFindsTheHelloAfterAnything(f *testing.F) {
	f.Add([]byte("BANGER/1 "))
	f.Add([]byte(Preface))
	f.Add(append(Line(nonceA), Preface[:10]...))
	f.Add(bytes.Repeat([]byte{0}, 300))
	f.Fuzz(func(t *testing.T, before []byte) {
		if bytes.Contains(before, []byte(Preface)) {
			t.Skip("the meeting may end in the middle")
		}
		// The line feeds end a preface or a line that was begun.
		_, rest, err := meet(t, string(before)+"\n\n"+string(Line(nonceB))+Preface+"rest")
		if err != nil || rest != "rest" {
			t.Fatalf("got rest %q, error %v", rest, err)
		}
	})
}

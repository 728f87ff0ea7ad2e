package crypto

import (
	"bytes"
	"encoding/base32"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func newCode(t testing.TB) JoinCode {
	t.Helper()
	c, err := NewCode()
	must(t, err)
	return c
}

func TestJoinCode_SurvivesPeopleCopyingIt(t *testing.T) {
	for range 100 {
		c := newCode(t)
		text := c.Reveal()
		if len(text) != 39 || strings.Count(text, "-") != 7 {
			t.Fatalf("a code reads %d characters, not 8 groups of 4", len(text))
		}
		for _, copied := range []string{
			text, strings.ToLower(text), strings.ReplaceAll(text, "-", ""), strings.ReplaceAll(text, "-", " "),
			" " + text + "\r\n", strings.ReplaceAll(text, "-", "\n-"),
		} {
			d, err := ParseCode(copied)
			if err != nil || !d.Equal(c) || d.Reveal() != text {
				t.Fatalf("copied as %d characters: equal %v, %v", len(copied), d.Equal(c), err)
			}
		}
		if d := newCode(t); d.Equal(c) || d == c {
			t.Fatal("two codes are the same")
		}
	}
}

func TestJoinCode_SixteenToSixtyFourBytes(t *testing.T) {
	for n := range 80 {
		code := counted(3, n)
		check := codeCheckOf(code)
		text := codeEncoding.EncodeToString(append(bytes.Clone(code), check...))
		c, err := ParseCode(text)
		if ok := n >= 16 && n <= 64; ok != (err == nil) || ok && !bytes.Equal(c.bytes(), code) {
			t.Errorf("a code of %d bytes: %v", n, err)
		}
	}
}

// codeCheckOf is codeCheck without its limit.
func codeCheckOf(code []byte) []byte {
	if len(code) <= maxCode {
		c := codeCheck(code)
		return c[:]
	}
	return []byte{0, 0, 0, 0}
}

// C3: a password would let a false leaf guess, so nothing but a printed code
// passes; and no refusal repeats what was typed.
func TestC3_OnlyPrintedCodesPass(t *testing.T) {
	good := newCode(t).Reveal()
	plain := strings.ReplaceAll(good, "-", "")
	for name, text := range map[string]string{
		"nothing":                  "",
		"blanks":                   " \n- ",
		"a password":               "correct horse battery staple",
		"a password of 32 letters": "CORRECTHORSEBATTERYSTAPLEABCDEFG",
		"a hex key":                "deadbeefdeadbeefdeadbeefdeadbeef",
		"a digit that no code has": "1" + good[1:],
		"a character less":         good[:len(good)-1],
		"a group less":             good[:34],
		"a character more":         good + "A",
		"the wrong sum":            "2222222222222222222222222222222222",
		"padding":                  good + "====",
		"base32 without a sum":     base32.StdEncoding.EncodeToString(counted(9, 20)),
		"other separators":         strings.ReplaceAll(good, "-", "_"),
		"letters beyond ASCII":     "Ａ" + good[1:],
		"too much":                 strings.Repeat(" ", maxCodeInput) + good,
		"far too much":             strings.Repeat("A", 1<<20),
	} {
		c, err := ParseCode(text)
		if !errors.Is(err, ErrIdentity) || !c.IsZero() {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(text) > 4 && strings.Contains(err.Error(), strings.TrimSpace(text)) || strings.Contains(err.Error(), plain[:8]) {
			t.Errorf("%s: the error repeats it: %v", name, err)
		}
		if n := testing.AllocsPerRun(10, func() { _, _ = ParseCode(text) }); n != 0 {
			t.Errorf("%s: refusing costs %v allocations", name, n)
		}
	}
}

func TestJoinCode_EveryMistypedCharacterIsNoticed(t *testing.T) {
	plain := strings.ReplaceAll(newCode(t).Reveal(), "-", "")
	for i := range plain {
		for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" {
			typed := plain[:i] + string(c) + plain[i+1:]
			if _, err := ParseCode(typed); (err == nil) != (typed == plain) {
				t.Fatalf("character %d mistyped: %v", i, err)
			}
		}
	}
}

func TestJoinCode_SpareBitsMustBeZero(t *testing.T) {
	code := counted(3, 17) // 21 bytes in 34 characters: 2 bits to spare
	check := codeCheck(code)
	text := codeEncoding.EncodeToString(append(code, check[:]...))
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", text[len(text)-1])
	other := text[:len(text)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[last|1])
	if _, err := ParseCode(text); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseCode(other); err == nil {
		t.Error("two texts are the same code")
	}
}

// Z1, crypto's part: whatever somebody prints, logs or encodes, no secret shows.
func TestZ1_NothingPrintsASecret(t *testing.T) {
	code := newCode(t)
	id := Identity{Code: code}
	token := Identity{RootPin: Pin{1}, Token: []byte("token-of-a-leaf!")}
	e := firstEpoch(t)
	root, _ := newPeers(t, DefaultSuite())
	g := newGrove(t, 1, DefaultSuite())
	g.join(5)
	g.commit(false)
	author, path := g.author, g.members[3].Path
	needles := [][]byte{
		*author.hidden.of, g.tree.hidden.of.nodes[1].key[:], (*path.hidden.of)[1][:],
		code.bytes(), []byte(strings.ReplaceAll(code.Reveal(), "-", "")), []byte(code.Reveal()),
		e.hidden.secret[:], root.view.Load().live[0].secret[:], root.pairs.get(2).out.secret[:], token.Token,
	}
	hidden := []any{code, &code, id, &id, token, e, *e, root, []any{code, e},
		map[string]any{"x": id}, struct{ C JoinCode }{code}, struct{ c JoinCode }{code},
		struct{ e Epoch }{*e}, struct{ e *Epoch }{e}, struct{ r *Ring }{root},
		author, *author, g.tree, *g.tree, path, *path, g.members[3], struct{ a Author }{*author}, struct{ t Tree }{*g.tree}, struct{ p *Path }{path}}
	for _, v := range hidden {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%t", "%p", "%g"} {
			if _, plain := v.(Identity); plain && verb == "%p" {
				continue // fmt asks nobody how to print a struct as a pointer; vet refuses it
			}
			refuseLeak(t, fmt.Sprintf("%s of %T", verb, v), fmt.Sprintf(verb, v), needles)
		}
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
		_ = json.NewEncoder(&b).Encode(v)
		_ = gob.NewEncoder(&b).Encode(v)
		refuseLeak(t, fmt.Sprintf("logging or encoding %T", v), b.String(), needles)
	}
	if text := fmt.Sprintf("%v %s %x", code, id, JoinCode{}); text != "[join code] [identity: a join code] [no join code]" {
		t.Errorf("redacted as %q", text)
	}
}

func refuseLeak(t *testing.T, what, text string, needles [][]byte) {
	t.Helper()
	for _, n := range needles {
		n = n[:8]
		for _, form := range []string{
			string(n), fmt.Sprintf("%x", n), fmt.Sprintf("%X", n), strings.Trim(fmt.Sprint(n), "[]"), strings.Trim(fmt.Sprintf("%o", n), "[]"),
			strings.Trim(fmt.Sprintf("%b", n), "[]"), strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", n), "[]byte{"), "}"),
		} {
			if strings.Contains(text, form) {
				t.Errorf("%s shows a secret: %s", what, text)
			}
		}
	}
}

package joinleaf

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// lastRule is the number of rules that there are.
const lastRule = 264

var (
	ruleRow    = regexp.MustCompile(`(?m)^\| R(\d+) \| (.+?) \| (.*?) \| (.+?) \|$`)
	testFunc   = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\) \{`)
	testOfRule = regexp.MustCompile(`func TestR\d`)
	ruleName   = regexp.MustCompile(`R(\d+)_`)
)

// checkRules holds the table of rules to the tests: text is the table, tests
// the names of those that there are.
func checkRules(text string, tests []string) (bad []string) {
	seen := 0
	for _, row := range ruleRow.FindAllStringSubmatch(text, -1) {
		seen++
		if row[1] != fmt.Sprint(seen) {
			return append(bad, fmt.Sprintf("row %d is rule R%s", seen, row[1]))
		}
		state, reason, _ := strings.Cut(row[4], ":")
		if !slices.Contains([]string{"kept", "by type", "option", "differs", "open"}, state) {
			bad = append(bad, fmt.Sprintf("R%s: %q is no state", row[1], row[4]))
		}
		if state != "kept" && strings.TrimSpace(reason) == "" {
			bad = append(bad, fmt.Sprintf("R%s is %q without a reason", row[1], state))
		}
		if state != "open" && row[3] == "" {
			bad = append(bad, fmt.Sprintf("R%s is %q without a test", row[1], state))
		}
		for name := range strings.FieldsSeq(strings.ReplaceAll(row[3], "`", " ")) {
			if !slices.Contains(tests, name) {
				bad = append(bad, fmt.Sprintf("R%s: there is no test %s", row[1], name))
			}
			if !slices.ContainsFunc(ruleName.FindAllStringSubmatch(name, -1), func(m []string) bool { return m[1] == row[1] }) {
				bad = append(bad, fmt.Sprintf("R%s: %s does not name the rule", row[1], name))
			}
		}
	}
	if seen != lastRule {
		bad = append(bad, fmt.Sprintf("%d rows, want %d", seen, lastRule))
	}
	return bad
}

// TestRules_EveryRuleHasItsRow compares the table with the tests of this folder.
// They are functions of one package and none of them skips, so whoever runs
// this one runs them all.
func TestRules_EveryRuleHasItsRow(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests []string
	for _, f := range files {
		text := read(t, f)
		for _, m := range testFunc.FindAllStringSubmatch(text, -1) {
			tests = append(tests, m[1])
		}
		if testOfRule.MatchString(text) && strings.Contains(text, ".Sk"+"ip") {
			t.Errorf("%s: a test of a rule may be skipped", f)
		}
	}
	for _, c := range checkRules(read(t, filepath.Join("docs", "rules.md")), tests) {
		t.Error(c)
	}
}

func TestRules_TheCheckIsSeenToFail(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("docs", "rules.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := regexp.MustCompile(`TestR\w+`).FindAllString(string(whole), -1)
	if bad := checkRules(string(whole), tests); len(bad) != 0 {
		t.Fatalf("the real table: %v", bad)
	}
	lines := strings.Split(string(whole), "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "| R1 ") })
	for what, change := range map[string]func([]string){
		"a missing row":    func(l []string) { l[at+5] = "" },
		"no test":          func(l []string) { l[at] = "| R1 | x |  | kept |" },
		"an unknown test":  func(l []string) { l[at] = "| R1 | x | `TestR1_Unheard` | kept |" },
		"no reason":        func(l []string) { l[at] = "| R1 | x | `" + tests[0] + "` | differs |" },
		"no state":         func(l []string) { l[at] = "| R1 | x | `" + tests[0] + "` | fine |" },
		"another's test":   func(l []string) { l[at+1] = "| R2 | x | `TestR4_OneCodeThatCanBeReadBack` | kept |" },
		"a row too many":   func(l []string) { l[at] += "\n| R1 | x |  | open: y |" },
		"rows out of turn": func(l []string) { l[at], l[at+1] = l[at+1], l[at] },
	} {
		l := slices.Clone(lines)
		change(l)
		if len(checkRules(strings.Join(l, "\n"), tests)) == 0 {
			t.Errorf("%s goes through", what)
		}
	}
}

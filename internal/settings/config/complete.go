package config

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Word is a first argument that is no application, for completions and the manual.
type Word struct {
	Name, Help string
	// Then are what may follow it.
	Then []string
}

// Words are those that the settings know; the command adds its own.
func Words() []Word {
	return []Word{
		{"dev", "Serve an application and reload it when its code changes.", nil},
		{"help", "Tell about a topic or an option.", append(topicNames(), everything)},
		{"version", "Show the version.", nil},
	}
}

// Shells are those for which WriteCompletion writes.
var Shells = []string{"bash", "zsh", "fish"}

// WriteCompletion writes what has a shell complete the command line: its options, their
// values and words. Its error names the shells.
func WriteCompletion(w io.Writer, shell string, words []Word) error {
	write := map[string]func(*strings.Builder, []Word){"bash": completeBash, "zsh": completeZsh, "fish": completeFish}[shell]
	if write == nil {
		return fmt.Errorf("completion: %q: must be one of %s%s", shell, strings.Join(Shells, ", "), didYouMean(shell, Shells, ""))
	}
	var b strings.Builder
	write(&b, words)
	_, err := io.WriteString(w, b.String())
	return err
}

// choices are the values that a setting takes, if they are few.
func (s *setting) choices() []string {
	if s.at == nil || s.Meta == "" {
		return nil
	}
	if s.Meta == "on|off" {
		return []string{"on", "off"}
	}
	switch v := s.at(&Config{origins: map[string]Origin{}}).(type) {
	case choiceValue:
		return v.allowed
	case modelValue:
		return append([]string{auto}, Models...)
	case helpValue:
		return append(topicNames(), everything)
	}
	return nil
}

// options are those of the command line, with dashes.
func (s *setting) options() (all []string) {
	for i := range s.Short {
		all = append(all, "-"+s.Short[i:i+1])
	}
	for _, f := range s.Flags {
		all = append(all, "--"+f)
	}
	return all
}

// named are the settings that options set.
func named() (all []*setting) {
	for _, s := range settings {
		if len(s.Flags) > 0 {
			all = append(all, s)
		}
	}
	return all
}

func wordNames(words []Word) (names []string) {
	for _, w := range words {
		names = append(names, w.Name)
	}
	return names
}

// isFile and isFolder tell whether a setting's value is a path of that kind.
func (s *setting) isFile() bool   { return slices.Contains([]string{"FILE", "PATH"}, s.Meta) }
func (s *setting) isFolder() bool { return s.Meta == "DIR" }

func completeBash(b *strings.Builder, words []Word) {
	values := make(map[string][]string) // options by what completes their value
	var all []string
	for _, s := range named() {
		all = append(all, s.options()...)
		how := ""
		switch choices := s.choices(); {
		case s.Meta == "":
			continue
		case choices != nil:
			how = `-W "` + strings.Join(choices, " ") + `"`
		case s.isFile():
			how = "-f"
		case s.isFolder():
			how = "-d"
		}
		values[how] = append(values[how], s.options()...)
	}
	b.WriteString(`# Completion of asteri-loop for bash: eval "$(asteri-loop completion bash)"
_asteri_loop() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    case $prev in
`)
	for _, how := range slices.Sorted(maps.Keys(values)) {
		then := "return"
		if how != "" {
			then = "_asteri_loop_reply " + how + `; return`
		}
		fmt.Fprintf(b, "    %s) %s ;;\n", strings.Join(values[how], "|"), then)
	}
	b.WriteString("    esac\n    if ((COMP_CWORD > 1)); then\n        case ${COMP_WORDS[1]} in\n")
	for _, w := range words {
		if w.Then != nil {
			fmt.Fprintf(b, "        %s) _asteri_loop_reply -W \"%s\"; return ;;\n", w.Name, strings.Join(w.Then, " "))
		}
	}
	fmt.Fprintf(b, `        esac
    fi
    if [[ $cur == -* ]]; then
        _asteri_loop_reply -W "%s"
    elif ((COMP_CWORD == 1)); then
        _asteri_loop_reply -f -W "%s"
    else
        _asteri_loop_reply -f
    fi
}
_asteri_loop_reply() {
    [[ $1 == -[fd] ]] && compopt -o filenames 2>/dev/null
    local IFS=$'\n'
    COMPREPLY=($(compgen "$@" -- "$cur"))
}
complete -F _asteri_loop asteri-loop
`, strings.Join(all, " "), strings.Join(wordNames(words), " "))
	text := strings.ReplaceAll(b.String(), `compgen "$@"`, `IFS=$' \n'; compgen "$@"`)
	b.Reset()
	b.WriteString(text)
}

func completeZsh(b *strings.Builder, words []Word) {
	b.WriteString("#compdef asteri-loop\n# Completion of asteri-loop for zsh: into a file _asteri-loop of a folder in fpath, or eval \"$(asteri-loop completion zsh)\"\n_asteri_loop() {\n    local -a specs\n    specs=(\n")
	quote := strings.NewReplacer(`'`, `'\''`, `[`, `\[`, `]`, `\]`, `:`, `\:`)
	for _, s := range named() {
		about := "[" + quote.Replace(firstSentence(s.Help)) + "]"
		if s.Meta != "" {
			about += ":" + quote.Replace(s.Meta) + ":"
			switch choices := s.choices(); {
			case choices != nil:
				about += "(" + strings.Join(choices, " ") + ")"
			case s.isFile():
				about += "_files"
			case s.isFolder():
				about += "_files -/"
			}
		}
		for _, o := range s.options() {
			once := "(" + strings.Join(s.options(), " ") + ")"
			if s.Many {
				once = "*"
			}
			form := o
			if s.Meta != "" && strings.HasPrefix(o, "--") {
				form += "="
			}
			if s.Meta != "" && !strings.HasPrefix(o, "--") {
				form += "+"
			}
			fmt.Fprintf(b, "        '%s%s%s'\n", once, form, about)
		}
	}
	b.WriteString("    )\n    case ${words[2]} in\n")
	for _, w := range words {
		if w.Then != nil {
			fmt.Fprintf(b, "    %s) if ((CURRENT > 2)); then compadd -- %s; return; fi ;;\n", w.Name, strings.Join(w.Then, " "))
		}
	}
	b.WriteString("    esac\n    _arguments -s -S $specs '1:application:_asteri_loop_first' '*:file:_files'\n}\n_asteri_loop_first() {\n    local -a known\n    known=(\n")
	for _, w := range words {
		fmt.Fprintf(b, "        '%s:%s'\n", w.Name, quote.Replace(w.Help))
	}
	b.WriteString("    )\n    _describe word known\n    _files\n}\nif [[ ${funcstack[1]} == _asteri_loop ]]; then _asteri_loop \"$@\"; else compdef _asteri_loop asteri-loop; fi\n")
}

func completeFish(b *strings.Builder, words []Word) {
	b.WriteString("# Completion of asteri-loop for fish: asteri-loop completion fish >~/.config/fish/completions/asteri-loop.fish\n")
	quote := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
	for _, s := range named() {
		b.WriteString("complete -c asteri-loop")
		for i := range s.Short {
			b.WriteString(" -s " + s.Short[i:i+1])
		}
		for _, f := range s.Flags {
			b.WriteString(" -l " + f)
		}
		switch choices := s.choices(); {
		case s.Meta == "":
		case choices != nil:
			b.WriteString(" -x -a " + quote(strings.Join(choices, " ")))
		case s.isFile():
			b.WriteString(" -r -F")
		case s.isFolder():
			b.WriteString(" -x -a '(__fish_complete_directories)'")
		default:
			b.WriteString(" -x")
		}
		b.WriteString(" -d " + quote(firstSentence(s.Help)) + "\n")
	}
	for _, w := range words {
		fmt.Fprintf(b, "complete -c asteri-loop -n __fish_use_subcommand -a %s -d %s\n", w.Name, quote(w.Help))
		if w.Then != nil {
			fmt.Fprintf(b, "complete -c asteri-loop -f -n '__fish_seen_subcommand_from %s' -a %s\n", w.Name, quote(strings.Join(w.Then, " ")))
		}
	}
}

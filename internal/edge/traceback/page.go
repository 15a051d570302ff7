package traceback

import (
	_ "embed"
	"html/template"
	"regexp"
	"strconv"
	"strings"
)

// Failure is what there is to say of one.
type Failure struct {
	// What has failed, for the head of the page: "shop.app cannot be started".
	What string
	// Message is one line. Traceback is Python's, and Hint says what to do; both may be
	// empty.
	Message, Traceback, Hint string
	// Own tells whether a file is the application's: its lines are shown.
	Own func(file string) bool
}

// Page shows a failure.
type Page struct{ html, text []byte }

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Parse(pageSource))

// New makes a page, for which it reads the application's files.
func New(f Failure) *Page {
	var html strings.Builder
	err := pageTemplate.Execute(&html, struct {
		Failure
		Frames []frame
	}{f, framesOf(f)})
	if err != nil {
		panic(err) // the template is our own, and takes any text
	}
	text := f.What + "\n\n" + f.Message + "\n"
	for _, more := range []string{f.Hint, strings.TrimRight(f.Traceback, "\n")} {
		if more != "" {
			text += "\n" + more + "\n"
		}
	}
	return &Page{[]byte(html.String()), []byte(text)}
}

// frame is one of a traceback.
type frame struct {
	File, In string
	Line     int
	Own      bool
	Around   []line // of an own one
	// Said is what the traceback itself says of the frame, and After what follows it: the
	// exception, and how another is related to it.
	Said, After string
}

type line struct {
	Number int
	Text   string
	Here   bool
}

// Bounds of a page.
const (
	maxFrames = 200
	maxShown  = 40 // frames with their lines
)

// frameHead is the line of a traceback that begins a frame; those of exception groups have a
// margin, and that of a syntax error no function.
var frameHead = regexp.MustCompile(`^[ |+-]*File "(.+)", line ([0-9]+)(?:, in (.+))?$`)

// add takes a line that belongs to no other frame.
func (f *frame) add(text string) {
	if strings.HasPrefix(text, "    ") && f.After == "" {
		f.Said += text + "\n"
	} else if text != "" && text != "Traceback (most recent call last):" {
		f.After += text + "\n"
	}
}

// framesOf takes a traceback apart.
func framesOf(f Failure) (frames []frame) {
	files, shown := newFiles(), 0
	for text := range strings.SplitSeq(strings.TrimRight(f.Traceback, "\n"), "\n") {
		m := frameHead.FindStringSubmatch(text)
		if m == nil || len(frames) == maxFrames {
			if n := len(frames); n > 0 {
				frames[n-1].add(text)
			}
			continue
		}
		number, _ := strconv.Atoi(m[2]) // of digits; what is too large is no line
		one := frame{File: m[1], Line: number, In: m[3], Own: f.Own != nil && f.Own(m[1])}
		if one.Own && shown < maxShown {
			shown++
			one.Around = files.around(one.File, one.Line)
		}
		frames = append(frames, one)
	}
	return frames
}

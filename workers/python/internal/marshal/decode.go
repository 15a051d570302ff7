package marshal

// Bounds of a tree, as somebody sees it who walks all of it: an object that is referred
// to counts, with all that it holds, each time.
const (
	maxNodes = 1 << 16 // objects
	maxData  = 4 << 20 // bytes of str and bytes, or those of the input if they are more
)

// decoder builds a tree. Objects in the table are shared, not copied.
type decoder struct {
	r    reader
	refs []shared
	size size
}

// size is what a part of a tree expands to.
type size struct{ nodes, data int }

// shared is an object in the table.
type shared struct {
	value any
	size  size
}

// pending is the table's entry of a container that has not ended; only an
// object that contains itself refers to one.
type pending struct{}

// Decode reads all of in as one value. None becomes nil, str string, bytes a
// []byte copy, int int64, float float64, tuple and list []any, dict
// map[string]any: other keys than str are refused, as is a value that contains
// itself, and one that is, with what it refers to in each place that does, more than 65536
// objects, or 4 MiB of text and bytes and more than the input. Surrogates in a str stay the
// bytes that CPython wrote for them.
func Decode(in []byte) (any, error) {
	d := decoder{r: reader{in: in}}
	v, err := d.object(0)
	if err != nil {
		return nil, err
	}
	if v == any(null) || d.r.pos != len(in) {
		return nil, d.r.fail("not the end")
	}
	return v, nil
}

func (d *decoder) object(depth int) (any, error) {
	before := d.size
	if depth > MaxDepth {
		return nil, d.r.fail("nested too deep")
	}
	if d.r.pos >= len(d.r.in) {
		return nil, d.r.fail("cut short")
	}
	t := d.r.in[d.r.pos]
	d.r.pos++
	if t == typeRef {
		return d.shared()
	}
	slot := -1
	if t&flagRef != 0 {
		slot = len(d.refs)
		d.refs = append(d.refs, shared{value: pending{}})
	}
	var h Value
	if err := d.r.head(t&^flagRef, &h); err != nil {
		return nil, err
	}
	if err := d.grow(size{1, len(h.Data)}); err != nil {
		return nil, err
	}
	v, err := d.complete(&h, depth)
	if slot >= 0 {
		d.refs[slot] = shared{v, size{d.size.nodes - before.nodes, d.size.data - before.data}}
	}
	return v, err
}

func (d *decoder) shared() (any, error) {
	i, err := d.r.uint32()
	if err != nil {
		return nil, err
	}
	if uint64(i) >= uint64(len(d.refs)) {
		return nil, d.r.fail("reference to nothing")
	}
	v := d.refs[i]
	if _, open := v.value.(pending); open || v.value == any(null) {
		return nil, d.r.fail("value contains itself")
	}
	return v.value, d.grow(v.size)
}

// grow counts a part of the tree.
func (d *decoder) grow(by size) error {
	d.size.nodes += by.nodes
	d.size.data += by.data
	if d.size.nodes > maxNodes || d.size.data > max(maxData, len(d.r.in)) {
		return d.r.fail("value expands to too much")
	}
	return nil
}

func (d *decoder) complete(h *Value, depth int) (any, error) {
	switch h.Kind {
	case None:
		return nil, nil
	case Bool:
		return h.Int != 0, nil
	case Int:
		return h.Int, nil
	case Float:
		return h.Float(), nil
	case Bytes:
		return append([]byte{}, h.Data...), nil
	case Str:
		return string(h.Data), nil
	case Dict:
		return d.dict(depth)
	case null:
		return any(null), nil
	}
	return d.sequence(int(h.Int), depth)
}

func (d *decoder) sequence(n, depth int) (any, error) {
	seq := make([]any, 0, min(n, 64))
	for range n {
		v, err := d.object(depth + 1)
		if err != nil {
			return nil, err
		}
		if v == any(null) {
			return nil, d.r.fail("end of a dict that was not begun")
		}
		seq = append(seq, v)
	}
	return seq, nil
}

func (d *decoder) dict(depth int) (any, error) {
	m := make(map[string]any)
	for {
		k, err := d.object(depth + 1)
		if err != nil {
			return nil, err
		}
		if k == any(null) {
			return m, nil
		}
		key, ok := k.(string)
		if !ok {
			return nil, d.r.fail("dict key that is not a str")
		}
		v, err := d.object(depth + 1)
		if err != nil {
			return nil, err
		}
		if v == any(null) {
			return nil, d.r.fail("dict key without a value")
		}
		m[key] = v
	}
}

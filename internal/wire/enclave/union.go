package enclave

import (
	"encoding/json"
	"fmt"
)

// tools reads a list of names or a dict of options.
func (p *problems) tools(v Value, name string, to *[]ToolConfig) {
	const asList, asDict = "list[str]", "dict[str,dict[str,any]]"
	var list, dict problems
	var out []ToolConfig
	seen := map[string]bool{}
	if v.Kind() != "list" {
		list.add(listType, listMsg, v, name, asList)
	}
	for i, item := range v.Items() {
		var s string
		if kind, msg := coerceText(item, &s); kind != "" {
			list.add(kind, msg, item, name, asList, i)
		} else if !seen[s] {
			seen[s] = true
			out = append(out, ToolConfig{s, Value("{}")})
		}
	}
	if v.Kind() != "dict" {
		dict.add(dictType, dictMsg, v, name, asDict)
	}
	for _, m := range v.Members() {
		if m.Value.Kind() != "dict" {
			dict.add(dictType, dictMsg, m.Value, name, asDict, m.Key)
		}
		out = append(out, ToolConfig{m.Key, m.Value})
	}
	if list != nil && dict != nil {
		*p = append(append(*p, list...), dict...)
		return
	}
	*to = out
}

// command reads a text or a list of texts.
func (p *problems) command(to **Command) func(Value, string) {
	return func(v Value, name string) {
		if v.Kind() == "str" {
			*to = &Command{Text: v.Text()}
			return
		}
		var bad problems
		out := &Command{List: []string{}}
		bad.add("string_type", "Input should be a valid string", v, name, "str")
		if v.Kind() != "list" {
			bad.add(listType, listMsg, v, name, "list[str]")
		}
		for i, item := range v.Items() {
			var s string
			if kind, msg := coerceText(item, &s); kind != "" {
				bad.add(kind, msg, item, name, "list[str]", i)
			}
			out.List = append(out.List, s)
		}
		if len(bad) > 1 {
			*p = append(*p, bad...)
			return
		}
		*to = out
	}
}

func (p *problems) volumes(v Value, name string, to map[string]map[string]string) {
	if v.Kind() != "dict" {
		p.add(dictType, dictMsg, v, name)
	}
	for _, m := range v.Members() {
		if m.Value.Kind() != "dict" {
			p.add(dictType, dictMsg, m.Value, name, m.Key)
			continue
		}
		to[m.Key] = p.texts(m.Value, name, m.Key)
	}
}

// ports reads a dict of numbers, texts or pairs of a text and a number.
func (p *problems) ports(v Value, name string, to map[string]any) {
	if v.Kind() != "dict" {
		p.add(dictType, dictMsg, v, name)
	}
	for _, m := range v.Members() {
		var bad problems
		var n json.Number
		if m.Value.Kind() == "str" {
			to[m.Key] = m.Value.Text()
			continue
		}
		kind, msg := coerceInt(m.Value, &n)
		if kind == "" {
			to[m.Key] = n
			continue
		}
		bad.add(kind, msg, m.Value, name, m.Key, "int")
		bad.add("string_type", "Input should be a valid string", m.Value, name, m.Key, "str")
		if pair := bad.pair(m.Value, name, m.Key, "tuple[str, int]"); pair != nil {
			to[m.Key] = pair
			continue
		}
		*p = append(*p, bad...)
	}
}

// pair reads a text and a number.
func (p *problems) pair(v Value, loc ...any) []any {
	items := v.Items()
	if v.Kind() != "list" {
		p.add("tuple_type", "Input should be a valid tuple", v, loc...)
		return nil
	}
	if len(items) > 2 {
		p.add("too_long", fmt.Sprintf("Tuple should have at most 2 items after validation, not %d", len(items)), v, loc...)
		return nil
	}
	before := len(*p)
	var s string
	var n json.Number
	for i := range 2 {
		if i >= len(items) {
			p.add("missing", "Field required", v, append(loc, i)...)
			continue
		}
		kind, msg := coerceText(items[i], &s)
		if i == 1 {
			kind, msg = coerceInt(items[i], &n)
		}
		if kind != "" {
			p.add(kind, msg, items[i], append(loc, i)...)
		}
	}
	if len(*p) > before {
		return nil
	}
	return []any{s, n}
}

package tool

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// number reads a JSON number, and how Python prints it: 4 as 4, 4.0 as 4.0,
// 1e1 as 10.0.
func number(raw []byte) (n float64, text string, ok bool) {
	s := string(bytes.TrimSpace(raw))
	if s == "" || (s[0] != '-' && (s[0] < '0' || s[0] > '9')) {
		return 0, "", false
	}
	n, err := strconv.ParseFloat(s, 64)
	if math.IsInf(n, 0) {
		return n, s, true
	}
	if err != nil || strings.ContainsAny(s, "xX_pP") {
		return 0, "", false
	}
	if strings.ContainsAny(s, ".eE") {
		return n, floatText(n), true
	}
	return n, s, true
}

// floatText is a float as Python prints it.
func floatText(f float64) string {
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
)

func picture() Picture {
	series := func(name string, y ...float64) Series {
		s := Series{Name: name}
		for _, v := range y {
			s.Points = append(s.Points, Point{Y: v, Low: v * 0.9, High: v * 1.1, None: v < 0})
		}
		return s
	}
	return Picture{
		Title: "a < b & c", Notes: []string{"one", "two"},
		Panels: []Panel{
			{Title: "left", X: "x", Y: "y", Steps: []string{"0", "1", "5"}, Series: []Series{series("first", 300, 200, 100), series("second", 90, -1, 10)}},
			{Title: "right", X: "x", Y: "y", Steps: []string{"0", "1", "5"}, Series: []Series{series("first", 1, 0.9, 0.8), series("second", 1, -1, 0.1)}, Whole: 1},
		},
	}
}

// walk reads all elements of an SVG.
func walk(t *testing.T, svg []byte, f func(e xml.StartElement, attr map[string]string)) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok {
			attr := map[string]string{}
			for _, a := range e.Attr {
				attr[a.Name.Local] = a.Value
			}
			f(e, attr)
		}
	}
}

func TestSVG_IsWellFormedAndStaysInItsFrame(t *testing.T) {
	svg := picture().SVG()
	var width, height float64
	texts := 0
	walk(t, svg, func(e xml.StartElement, attr map[string]string) {
		number := func(name string) float64 {
			v, err := strconv.ParseFloat(attr[name], 64)
			if err != nil {
				return 0 // absent, or a share such as 100%
			}
			return v
		}
		if e.Name.Local == "svg" {
			width, height = number("width"), number("height")
			return
		}
		if e.Name.Local == "text" {
			texts++
		}
		for _, x := range []string{"x", "x1", "x2", "cx"} {
			if v := number(x); v < 0 || v > width {
				t.Errorf("%s: %s=%v is outside of 0..%v", e.Name.Local, x, v, width)
			}
		}
		for _, y := range []string{"y", "y1", "y2", "cy"} {
			if v := number(y); v < 0 || v > height {
				t.Errorf("%s: %s=%v is outside of 0..%v", e.Name.Local, y, v, height)
			}
		}
	})
	if width < 800 || height < 300 || texts < 20 {
		t.Errorf("%v x %v with %d texts", width, height, texts)
	}
	for _, want := range []string{"a &lt; b &amp; c", ">first<", ">second<", ">two<", "stroke-dasharray"} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("no %s in it", want)
		}
	}
}

func TestSVG_WhatWasNotMeasuredIsAHole(t *testing.T) {
	marks, moves := 0, 0
	walk(t, picture().SVG(), func(e xml.StartElement, attr map[string]string) {
		if e.Name.Local == "rect" && attr["x"] != "" { // the second series' mark
			marks++
		}
		if e.Name.Local == "path" && attr["fill"] == "none" {
			moves += strings.Count(attr["d"], "M")
		}
	})
	if marks != 2*2+1 { // two panels with two points each, and the key
		t.Errorf("%d marks of the series with a hole", marks)
	}
	if moves != 2*1+2*2 {
		t.Errorf("the lines begin %d times", moves)
	}
}

func TestScale_HoldsTheTopWithFewLines(t *testing.T) {
	for _, top := range []float64{0, 0.003, 0.9, 1, 1.02, 7, 12, 99, 100, 101, 347, 1e4, 12345} {
		step, lines := scale(top)
		if high := step * float64(lines); high < top || lines > 6 || lines < 1 || top > 0 && high > 2.5*top {
			t.Errorf("up to %v: %d lines, %v apart", top, lines, step)
		}
	}
}

func TestSVG_OfNothingIsStillOne(t *testing.T) {
	walk(t, Picture{}.SVG(), func(xml.StartElement, map[string]string) {})
	walk(t, Picture{Panels: []Panel{{Steps: []string{"0"}}}}.SVG(), func(xml.StartElement, map[string]string) {})
}

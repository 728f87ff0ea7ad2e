package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
)

const (
	panelWidth  = 440.0 // with its axis and margin
	panelHeight = 300.0
	left, right = 62.0, 14.0 // within a panel
	head        = 74.0       // above the panels
	axisHeight  = 48.0       // below them
	noteHeight  = 16.0
	keyHeight   = 20.0
	keyWidth    = 210.0
)

// The colours are Okabe and Ito's, but yellow, which white swallows.
var colours = [...]string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00", "#7f7f7f"}

type canvas struct{ bytes.Buffer }

func (c *canvas) tag(format string, args ...any) {
	fmt.Fprintf(c, format, args...)
	c.WriteByte('\n')
}

func (c *canvas) text(x, y float64, style, s string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" %s>`, x, y, style)
	_ = xml.EscapeText(c, []byte(s)) // a buffer takes everything
	c.WriteString("</text>\n")
}

// SVG draws it.
func (p Picture) SVG() []byte {
	var c canvas
	var names []string
	if len(p.Panels) > 0 {
		for _, s := range p.Panels[0].Series {
			names = append(names, s.Name)
		}
	}
	width := panelWidth*float64(max(1, len(p.Panels))) + right
	for _, note := range p.Notes {
		width = max(width, left+6*float64(len(note)))
	}
	inRow := max(1, int((width-left)/keyWidth))
	rows := (len(names) + inRow - 1) / inRow
	base := head + panelHeight
	height := base + axisHeight + float64(rows)*keyHeight + float64(len(p.Notes))*noteHeight + 14
	c.tag(`<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#222222">`, width, height, width, height)
	c.tag(`<rect width="100%%" height="100%%" fill="#ffffff"/>`)
	c.text(left-40, 28, `font-size="17" font-weight="bold"`, p.Title)
	for i, panel := range p.Panels {
		panel.draw(&c, float64(i)*panelWidth)
	}
	for i, name := range names {
		x, y := left+float64(i%inRow)*keyWidth, base+axisHeight+8+float64(i/inRow)*keyHeight
		c.tag(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="2"/>`, x-12, y, x+12, y, colours[i%len(colours)])
		c.mark(i, x, y)
		c.text(x+18, y+4, "", name)
	}
	for i, note := range p.Notes {
		c.text(left-40, base+axisHeight+float64(rows)*keyHeight+16+float64(i)*noteHeight, `font-size="11" fill="#555555"`, note)
	}
	c.tag("</svg>")
	return c.Bytes()
}

// draw puts the panel's axes and lines at x.
func (p Panel) draw(c *canvas, x float64) {
	const plot = panelHeight
	x0, x1, base := x+left, x+panelWidth-right, head+plot
	step, lines := scale(p.top())
	height := func(v float64) float64 { return base - v/(step*float64(lines))*(plot-10) }
	c.text(x0, head-14, `font-size="13" font-weight="bold"`, p.Title)
	for i := range lines + 1 {
		v := float64(i) * step
		colour := "#e3e3e3"
		if i == 0 {
			colour = "#444444"
		}
		c.tag(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`, x0, height(v), x1, height(v), colour)
		c.text(x0-6, height(v)+4, `text-anchor="end"`, strconv.FormatFloat(v, 'g', 4, 64))
	}
	at := func(i int) float64 { return x0 + (float64(i)+0.5)*(x1-x0)/float64(max(1, len(p.Steps))) }
	for i, name := range p.Steps {
		c.tag(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#444444"/>`, at(i), base, at(i), base+4)
		c.text(at(i), base+17, `text-anchor="middle"`, name)
	}
	c.text((x0+x1)/2, base+34, `text-anchor="middle"`, p.X)
	c.text(x+14, head+plot/2, fmt.Sprintf(`text-anchor="middle" transform="rotate(-90 %.1f %.1f)"`, x+14, head+plot/2), p.Y)
	if p.Whole > 0 {
		c.tag(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#444444" stroke-dasharray="5 4"/>`, x0, height(p.Whole), x1, height(p.Whole))
	}
	for i, s := range p.Series {
		// A little aside of each other, so that ranges do not lie on ranges.
		shift := (float64(i) - float64(len(p.Series)-1)/2) * 4
		s.draw(c, i, func(i int) float64 { return at(i) + shift }, height)
	}
}

// draw draws one line, its ranges and its marks.
func (s Series) draw(c *canvas, n int, at func(int) float64, height func(float64) float64) {
	colour := colours[n%len(colours)]
	var path bytes.Buffer
	pen := "M"
	for i, pt := range s.Points {
		if pt.None {
			pen = "M"
			continue
		}
		fmt.Fprintf(&path, "%s%.1f %.1f ", pen, at(i), height(pt.Y))
		pen = "L"
		c.tag(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-opacity="0.6"/>`, at(i), height(pt.Low), at(i), height(pt.High), colour)
	}
	if path.Len() > 0 {
		width := 2.0
		if s.Strong {
			width = 3.5
		}
		c.tag(`<path d="%s" fill="none" stroke="%s" stroke-width="%.1f" stroke-linejoin="round"/>`, bytes.TrimSpace(path.Bytes()), colour, width)
	}
	for i, pt := range s.Points {
		if !pt.None {
			c.mark(n, at(i), height(pt.Y))
		}
	}
}

// mark is the shape of a series at a point.
func (c *canvas) mark(n int, x, y float64) {
	colour := colours[n%len(colours)]
	switch n % 4 {
	case 0:
		c.tag(`<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`, x, y, colour)
	case 1:
		c.tag(`<rect x="%.1f" y="%.1f" width="7.4" height="7.4" fill="%s"/>`, x-3.7, y-3.7, colour)
	case 2:
		c.tag(`<path d="M%.1f %.1f l4.6 8 h-9.2 z" fill="%s"/>`, x, y-5, colour)
	default:
		c.tag(`<path d="M%.1f %.1f l4.8 4.8 l-4.8 4.8 l-4.8 -4.8 z" fill="%s"/>`, x, y-4.8, colour)
	}
}

package chart

// Picture is one SVG.
type Picture struct {
	Title  string
	Notes  []string // small lines below the panels
	Panels []Panel
}

// Panel is one pair of axes.
type Panel struct {
	Title  string
	X, Y   string   // what the axes show, with units
	Steps  []string // along X
	Series []Series
	// Whole, where it is not 0, is a dashed line at that height: what the
	// figures are compared with.
	Whole float64
}

// Series is one line.
type Series struct {
	Name   string
	Points []Point // one per step
	Strong bool    // a thicker line
}

// Point is what was measured at a step.
type Point struct {
	Y         float64
	Low, High float64 // range
	None      bool    // nothing was: the line has a hole
}

// top is the greatest figure of the panel.
func (p Panel) top() float64 {
	top := p.Whole
	for _, s := range p.Series {
		for _, pt := range s.Points {
			if !pt.None {
				top = max(top, pt.Y, pt.High)
			}
		}
	}
	return top
}

// scale is the distance of the axis's lines and how many there are, at most 6.
func scale(top float64) (step float64, lines int) {
	if top <= 0 {
		return 1, 1
	}
	step = 1e-6
	for i := 0; step*6 < top; i++ {
		step *= [...]float64{2, 2.5, 2}[i%3] // 1, 2, 5, 10
	}
	for lines = 1; step*float64(lines) < top; {
		lines++
	}
	return step, lines
}

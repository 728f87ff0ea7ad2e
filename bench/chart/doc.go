// Package chart draws line charts as SVG: panels side by side over the same
// steps, a line per series, the range of the rounds as a bar through each
// point. It is just enough for the pictures of bench, and depends on nothing.
//
//	svg := chart.Picture{
//		Title: "...", Notes: []string{"..."},
//		Panels: []chart.Panel{{Title: "...", X: "loss", Y: "MB/s", Steps: []string{"0 %", "1 %"},
//			Series: []chart.Series{{Name: "1 leaf", Points: []chart.Point{{Y: 200, Low: 190, High: 210}, {Y: 180, Low: 180, High: 180}}}}}},
//	}.SVG()
//
// Each panel's vertical axis begins at zero. Colours are chosen to be told apart
// by people who see few of them, and each series has a mark of its own shape as
// well. The background is white, whatever page the picture stands on.
//
// # Limitations
//
// The horizontal axis has steps, not a scale: equal distances between unequal
// figures. Text widths are guessed. A panel has room for eight series.
package chart

//! Bars, as SVG.

use std::fmt::Write;

/// Bars of one kind, all on one scale.
#[derive(Debug)]
pub(crate) struct Plot {
    /// What the bars show.
    pub(crate) title: String,
    /// What the parts of a bar are.
    pub(crate) parts: Vec<&'static str>,
    /// The bars, from above.
    pub(crate) bars: Vec<Bar>,
}

/// A bar of several parts, one after another.
#[derive(Debug)]
pub(crate) struct Bar {
    /// What it is.
    pub(crate) name: String,
    /// Whether it stands for something that is only compared.
    pub(crate) compared: bool,
    /// How long the parts are.
    pub(crate) values: Vec<f64>,
}

const WIDTH: f64 = 860.0;
/// Where bars begin.
const LEFT: f64 = 190.0;
/// What is left for numbers at their end.
const RIGHT: f64 = 170.0;
const BAR: f64 = 16.0;
const STEP: f64 = 24.0;
const HEAD: f64 = 58.0;
/// What is saved of it where parts have no names.
const LEGEND: f64 = 22.0;
const FOOT: f64 = 24.0;
/// Dark enough on white, light enough on black.
const COLOURS: [&str; 3] = ["#2f6fb3", "#e08a1e", "#4f9d69"];
const COMPARED: [&str; 3] = ["#8c96a3", "#b9c0c9", "#d5dae0"];

/// The plots, one below the other.
pub(crate) fn svg(plots: &[Plot]) -> String {
    let mut body = String::new();
    let mut top = 0.0;
    for plot in plots {
        top = draw(&mut body, plot, top);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top:.0}\" width=\"{WIDTH}\" height=\"{top:.0}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" role=\"img\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

/// Draws a plot and tells where it ends.
fn draw(body: &mut String, plot: &Plot, top: f64) -> f64 {
    let sums = plot.bars.iter().map(|bar| bar.values.iter().sum::<f64>());
    let longest = sums.fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let scale = (WIDTH - LEFT - RIGHT) / longest;
    let mut line = |text: std::fmt::Arguments<'_>| {
        // A text takes whatever is written into it.
        writeln!(body, "{text}").ok();
    };
    line(format_args!(
        "<text x=\"12\" y=\"{:.0}\" font-size=\"15\" font-weight=\"600\">{}</text>",
        top + 24.0,
        escaped(&plot.title)
    ));
    let mut x = 12.0;
    for (part, colour) in plot.parts.iter().zip(COLOURS) {
        let y = top + 36.0;
        line(format_args!(
            "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"11\" height=\"11\" fill=\"{colour}\"/>"
        ));
        line(format_args!(
            "<text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
            x + 16.0,
            y + 10.0,
            escaped(part)
        ));
        x += 40.0 + 7.5 * f64::from(u16::try_from(part.len()).unwrap_or(u16::MAX));
    }
    let head = if plot.parts.is_empty() {
        HEAD - LEGEND
    } else {
        HEAD
    };
    let mut y = top + head;
    for bar in &plot.bars {
        let middle = y + BAR - 3.5;
        line(format_args!(
            "<text x=\"{:.0}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            escaped(&bar.name)
        ));
        let colours = if bar.compared { COMPARED } else { COLOURS };
        let mut x = LEFT;
        for (value, colour) in bar.values.iter().zip(colours) {
            let width = value * scale;
            line(format_args!(
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>"
            ));
            x += width;
        }
        let values: Vec<_> = bar
            .values
            .iter()
            .map(|value| format!("{value:.2}"))
            .collect();
        line(format_args!(
            "<text x=\"{:.1}\" y=\"{middle:.1}\" fill=\"#444444\">{}</text>",
            x + 6.0,
            values.join(" + ")
        ));
        y += STEP;
    }
    y + FOOT
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_share_a_scale_and_names_are_escaped() {
        let bar = |name: &str, values: &[f64]| Bar {
            name: name.to_owned(),
            compared: false,
            values: values.to_vec(),
        };
        let plot = Plot {
            title: "CPU < wall".to_owned(),
            parts: vec!["init", "first"],
            bars: vec![bar("a & b", &[1.0, 3.0]), bar("c", &[2.0])],
        };
        let text = svg(&[plot]);
        assert!(
            text.contains("CPU &lt; wall") && text.contains("a &amp; b"),
            "{text}"
        );
        let whole = WIDTH - LEFT - RIGHT;
        for width in [whole / 4.0, whole * 3.0 / 4.0, whole / 2.0] {
            assert!(
                text.contains(&format!("width=\"{width:.1}\"")),
                "{width} in {text}"
            );
        }
    }

    #[test]
    fn nothing_to_show_is_no_error() {
        let plot = Plot {
            title: String::new(),
            parts: Vec::new(),
            bars: Vec::new(),
        };
        assert!(svg(&[plot]).ends_with("</svg>\n"));
    }
}

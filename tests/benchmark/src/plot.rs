//! Bars, as SVG.

use std::fmt::Write;

/// Bars of one kind, all on one scale.
#[derive(Debug)]
pub struct Plot {
    /// What the bars show.
    pub title: String,
    /// The unit of the values.
    pub unit: &'static str,
    /// What the parts of a bar are.
    pub parts: Vec<String>,
    /// The bars, from above.
    pub bars: Vec<Bar>,
}

/// A bar of several parts, one after another.
#[derive(Debug)]
pub struct Bar {
    /// What it is.
    pub name: String,
    /// Whether it stands for something that is only compared.
    pub compared: bool,
    /// How long the parts are.
    pub values: Vec<f64>,
}

const WIDTH: f64 = 880.0;
/// Where bars begin.
const LEFT: f64 = 190.0;
/// What is left for numbers at their end.
const RIGHT: f64 = 190.0;
const BAR: f64 = 16.0;
const STEP: f64 = 24.0;
const HEAD: f64 = 62.0;
/// What is saved of it where parts have no names.
const LEGEND: f64 = 22.0;
const FOOT: f64 = 26.0;
/// About as wide as a letter.
const LETTER: f64 = 7.2;
/// Parts that have a colour of their own.
const COLOURS: usize = 4;
/// It has a background of its own, so it can be read on any page; and another one where the reader likes it dark.
const STYLE: &str = "\
.page{fill:#ffffff;stroke:#d0d7de}\
text{fill:#1f2328}\
.value{fill:#59636e}\
.axis{stroke:#818b98}\
.own0{fill:#2f6fb3}.own1{fill:#e08a1e}.own2{fill:#4f9d69}.own3{fill:#8e5bb5}\
.compared0{fill:#7d8794}.compared1{fill:#b3bbc4}.compared2{fill:#cfd5dc}.compared3{fill:#e2e6ea}\
@media (prefers-color-scheme: dark){\
.page{fill:#0d1117;stroke:#3d444d}\
text{fill:#f0f6fc}\
.value{fill:#9198a1}\
.axis{stroke:#656c76}\
.own0{fill:#5b9bdc}.own1{fill:#e9a34c}.own2{fill:#6cc08a}.own3{fill:#b48ad6}\
.compared0{fill:#8b949e}.compared1{fill:#6b747e}.compared2{fill:#525a63}.compared3{fill:#3f464e}\
}";

/// The plots, one below the other.
pub fn svg(plots: &[Plot]) -> String {
    let mut body = String::new();
    let mut top = 0.0;
    for plot in plots.iter().filter(|plot| !plot.bars.is_empty()) {
        top = draw(&mut body, plot, top);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top:.0}\" width=\"{WIDTH}\" height=\"{top:.0}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" role=\"img\">\n\
         <title>What the functions need</title>\n\
         <style>{STYLE}</style>\n\
         <rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"{:.1}\" height=\"{:.1}\" rx=\"6\"/>\n{body}</svg>\n",
        WIDTH - 1.0,
        (top - 1.0).max(0.0)
    )
}

/// Draws a plot and tells where it ends.
fn draw(body: &mut String, plot: &Plot, top: f64) -> f64 {
    let sums = plot.bars.iter().map(|bar| bar.values.iter().sum::<f64>());
    let longest = sums.fold(0.0, f64::max);
    let scale = if longest > 0.0 {
        (WIDTH - LEFT - RIGHT) / longest
    } else {
        0.0
    };
    let mut line = |text: std::fmt::Arguments<'_>| {
        // A text takes whatever is written into it.
        writeln!(body, "{text}").ok();
    };
    line(format_args!(
        "<text x=\"14\" y=\"{:.0}\" font-size=\"15\" font-weight=\"600\">{} ({})</text>",
        top + 26.0,
        escaped(&plot.title),
        escaped(plot.unit)
    ));
    let mut x = 14.0;
    for (number, part) in plot.parts.iter().enumerate() {
        let (y, colour) = (top + 38.0, number % COLOURS);
        line(format_args!(
            "<rect class=\"own{colour}\" x=\"{x:.0}\" y=\"{y:.0}\" width=\"11\" height=\"11\"/>"
        ));
        line(format_args!(
            "<text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
            x + 16.0,
            y + 10.0,
            escaped(part)
        ));
        x += 40.0 + LETTER * f64::from(u16::try_from(part.len()).unwrap_or(u16::MAX));
    }
    let head = if plot.parts.is_empty() {
        HEAD - LEGEND
    } else {
        HEAD
    };
    let first = top + head;
    let mut y = first;
    for bar in &plot.bars {
        let middle = y + BAR - 3.5;
        line(format_args!(
            "<text x=\"{:.0}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            escaped(&bar.name)
        ));
        let class = if bar.compared { "compared" } else { "own" };
        let mut x = LEFT;
        for (number, value) in bar.values.iter().enumerate() {
            let (width, colour) = (value * scale, number % COLOURS);
            line(format_args!(
                "<rect class=\"{class}{colour}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\"/>"
            ));
            x += width;
        }
        line(format_args!(
            "<text class=\"value\" x=\"{:.1}\" y=\"{middle:.1}\">{}</text>",
            x + 6.0,
            values(&bar.values)
        ));
        y += STEP;
    }
    line(format_args!(
        "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{:.1}\" x2=\"{LEFT}\" y2=\"{:.1}\"/>",
        first - 4.0,
        y - STEP + BAR + 4.0
    ));
    y + FOOT - (STEP - BAR)
}

/// The values of a bar, and what they come to.
fn values(values: &[f64]) -> String {
    let number = |value: &f64| {
        if *value < 10.0 {
            format!("{value:.2}")
        } else {
            format!("{value:.1}")
        }
    };
    match values {
        [value] => number(value),
        several => {
            let each: Vec<_> = several.iter().map(number).collect();
            format!("{} = {}", each.join(" + "), number(&several.iter().sum()))
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, values: &[f64]) -> Bar {
        Bar {
            name: name.to_owned(),
            compared: false,
            values: values.to_vec(),
        }
    }

    #[test]
    fn bars_share_a_scale_and_names_are_escaped() {
        let plot = Plot {
            title: "CPU < wall".to_owned(),
            unit: "ms",
            parts: vec!["init".to_owned(), "first".to_owned()],
            bars: vec![bar("a & b", &[1.0, 3.0]), bar("c", &[12.0])],
        };
        let text = svg(&[plot]);
        for part in [
            "CPU &lt; wall (ms)",
            "a &amp; b",
            "1.00 + 3.00 = 4.00",
            ">12.0<",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let whole = WIDTH - LEFT - RIGHT;
        for width in [whole / 12.0, whole / 4.0, whole] {
            let width = format!("width=\"{width:.1}\"");
            assert!(text.contains(&width), "{width} in {text}");
        }
    }

    #[test]
    fn nothing_to_show_is_no_error_and_takes_no_room() {
        let plot = |bars| Plot {
            title: "nothing".to_owned(),
            unit: "ms",
            parts: Vec::new(),
            bars,
        };
        assert!(!svg(&[plot(Vec::new())]).contains("nothing"));
        assert!(svg(&[plot(vec![bar("zero", &[0.0])])]).contains("width=\"0.0\""));
    }
}

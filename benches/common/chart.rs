//! A chart of throughput over size, both logarithmic, as SVG that is readable on light and on dark pages.

use std::fmt::Write as _;

pub struct Chart {
    pub title: String,
    pub series: Vec<Series>,
    /// Names and heights of horizontal lines.
    pub levels: Vec<(String, f64)>,
}

pub struct Series {
    pub name: String,
    /// Octets, and millions of octets in a second.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 520.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 56.0;
/// Powers of ten of the vertical axis.
const DECADES: (i32, i32) = (-1, 4);
/// Powers of two of the horizontal axis.
const OCTAVES: (i32, i32) = (10, 30);

/// Colours for light and for dark pages, and the dashes of a line: no two series differ by colour alone.
const LINES: [(&str, &str, &str); 6] = [
    ("#0b5cad", "#6cb6ff", ""),
    ("#b3450b", "#ffa657", ""),
    ("#0b5cad", "#6cb6ff", "7 4"),
    ("#b3450b", "#ffa657", "7 4"),
    ("#1a7f37", "#56d364", "2 4"),
    ("#8250df", "#d2a8ff", "2 4"),
];

impl Chart {
    pub fn to_svg(&self) -> String {
        let mut svg = String::new();
        self.opening(&mut svg);
        axes(&mut svg);
        for (name, level) in &self.levels {
            let y = height(*level);
            let end = WIDTH - RIGHT;
            writeln!(svg, r#"<line class="level" x1="{LEFT}" y1="{y:.1}" x2="{end}" y2="{y:.1}"/>"#).unwrap();
            let text = y - 6.0;
            writeln!(svg, r#"<text x="{:.1}" y="{text:.1}">{name}: {level:.0} MB/s</text>"#, LEFT + 8.0).unwrap();
        }
        for (number, series) in self.series.iter().enumerate() {
            let points: Vec<String> =
                series.points.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), height(*y))).collect();
            writeln!(svg, r#"<polyline class="s{number}" points="{}"/>"#, points.join(" ")).unwrap();
        }
        self.legend(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    fn opening(&self, svg: &mut String) {
        writeln!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">"#
        )
        .unwrap();
        writeln!(svg, "<title>{}</title>\n<style>", self.title).unwrap();
        svg.push_str(
            "text { font: 13px sans-serif; fill: #24292f }\n.page { fill: #ffffff }\n.grid { stroke: #d8dee4 }\n\
             .level { stroke: #57606a; stroke-dasharray: 1 3 }\npolyline { fill: none; stroke-width: 2.5; stroke-linejoin: round }\n",
        );
        let mut dark = String::new();
        for (number, (light_colour, dark_colour, dashes)) in LINES.iter().enumerate() {
            writeln!(svg, ".s{number} {{ stroke: {light_colour}; stroke-dasharray: {dashes} }}").unwrap();
            write!(dark, " .s{number} {{ stroke: {dark_colour} }}").unwrap();
        }
        writeln!(
            svg,
            "@media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} .page {{ fill: #0d1117 }} \
             .grid {{ stroke: #30363d }} .level {{ stroke: #8b949e }}{dark} }}\n</style>"
        )
        .unwrap();
        writeln!(svg, r#"<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="6"/>"#).unwrap();
        writeln!(svg, r#"<text x="{LEFT}" y="28" style="font-size:15px;font-weight:bold">{}</text>"#, self.title)
            .unwrap();
    }

    /// In the lower right corner, where no line passes.
    fn legend(&self, svg: &mut String) {
        let (x, mut y) = (WIDTH - RIGHT - 270.0, HEIGHT - BOTTOM - 22.0 * self.series.len() as f64);
        for (number, series) in self.series.iter().enumerate() {
            let end = x + 36.0;
            writeln!(svg, r#"<polyline class="s{number}" points="{x},{y} {end},{y}"/>"#).unwrap();
            writeln!(svg, r#"<text x="{}" y="{}">{}</text>"#, end + 8.0, y + 4.0, series.name).unwrap();
            y += 22.0;
        }
    }
}

fn axes(svg: &mut String) {
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    for decade in DECADES.0..=DECADES.1 {
        let value = 10f64.powi(decade);
        let y = height(value);
        writeln!(svg, r#"<line class="grid" x1="{LEFT}" y1="{y:.1}" x2="{right}" y2="{y:.1}"/>"#).unwrap();
        writeln!(svg, r#"<text x="{}" y="{:.1}" text-anchor="end">{value}</text>"#, LEFT - 8.0, y + 4.0).unwrap();
    }
    for octave in (OCTAVES.0..=OCTAVES.1).step_by(2) {
        let x = across(2f64.powi(octave));
        let name = match octave {
            ..20 => format!("{} KiB", 1 << (octave - 10)),
            20..30 => format!("{} MiB", 1 << (octave - 20)),
            _ => format!("{} GiB", 1 << (octave - 30)),
        };
        writeln!(svg, r#"<line class="grid" x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{bottom}"/>"#).unwrap();
        writeln!(svg, r#"<text x="{x:.1}" y="{}" text-anchor="middle">{name}</text>"#, bottom + 20.0).unwrap();
    }
    let middle = f64::midpoint(LEFT, right);
    writeln!(svg, r#"<text x="{middle}" y="{}" text-anchor="middle">payload</text>"#, HEIGHT - 14.0).unwrap();
    writeln!(svg, r#"<text x="{}" y="46" text-anchor="end">MB/s</text>"#, LEFT - 8.0).unwrap();
}

fn across(octets: f64) -> f64 {
    let (first, last) = (f64::from(OCTAVES.0), f64::from(OCTAVES.1));
    LEFT + (octets.log2() - first) / (last - first) * (WIDTH - LEFT - RIGHT)
}

fn height(rate: f64) -> f64 {
    let (first, last) = (f64::from(DECADES.0), f64::from(DECADES.1));
    let share = (rate.log10() - first) / (last - first);
    HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
}

//! What the examples share: printing as a reader likes it. The examples themselves are in `examples/`.

mod chart;
pub mod desk;
mod simulated;

pub use chart::chart;
pub use simulated::SimulatedModel;

// The README's code is compiled and run as tests of this crate.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

/// Prints the title of a chapter.
pub fn chapter(number: u32, title: &str) {
    println!("\n{number}. {title}");
}

/// Widest line that [`say!`] prints, in characters, without the indent.
const WIDTH: usize = 104;

/// Prints text, indented, with long lines broken at spaces. Takes what `println!` takes.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::print_indented(&format!($($text)*)) };
}

/// What [`say!`] does.
pub fn print_indented(text: &str) {
    for line in text.lines() {
        let mut rest = line;
        let mut indent = "";
        while let Some(at) = break_at(rest, WIDTH - indent.len()) {
            println!("   {indent}{}", &rest[..at]);
            rest = rest[at..].trim_start();
            indent = "  ";
        }
        println!("   {indent}{rest}");
    }
}

/// The last space within the width, for a line that is longer.
fn break_at(line: &str, width: usize) -> Option<usize> {
    let (end, _) = line.char_indices().nth(width)?;
    line[..end].rfind(' ').filter(|at| *at > 0)
}

/// Prints rows in aligned columns; the first row is the head.
pub fn table<const N: usize>(rows: &[[String; N]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        println!("   {}", cells.join("  ").trim_end());
    }
}

/// A row of a [`table`].
#[macro_export]
macro_rules! row {
    ($($cell:expr),* $(,)?) => { [$($cell.to_string()),*] };
}

//! A chart for terminals.

use std::ops::RangeInclusive;

/// How many lines a chart has.
const LINES: usize = 4;
/// A column's part of a line, by eighths.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Columns of blocks, one for each value, as lines from the top: a value at the lower end of the range has no block, one at the
/// upper end, or above, fills its column. What is not known is a dot.
pub fn chart(values: &[Option<f64>], range: RangeInclusive<f64>) -> [String; LINES] {
    let (low, high) = (range.start(), range.end());
    let cell = |value: &Option<f64>, below: usize| match value {
        None if below == 0 => '·',
        None => ' ',
        Some(value) => {
            let lines = (value - low) / (high - low) * LINES as f64;
            let eighths = ((lines - below as f64) * 8.0).round();
            BLOCKS[eighths.clamp(0.0, 8.0) as usize]
        }
    };
    std::array::from_fn(|line| values.iter().map(|value| cell(value, LINES - 1 - line)).collect())
}

#[cfg(test)]
mod tests {
    use super::chart;

    #[test]
    fn columns_grow_with_their_values() {
        let values = [
            Some(0.0),
            Some(0.25),
            Some(0.5),
            Some(0.53125),
            Some(1.0),
            Some(2.0),
            None,
        ];
        let lines = ["    ██ ", "   ▁██ ", "  ████ ", " █████·"];
        assert_eq!(chart(&values, 0.0..=1.0), lines);
        assert_eq!(chart(&[Some(f64::NAN)], 0.0..=1.0), [" "; 4]);
        assert_eq!(
            chart(&[Some(15.0), Some(20.0)], 10.0..=20.0),
            [" █", " █", "██", "██"]
        );
    }
}

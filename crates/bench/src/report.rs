//! Figures as tables that people read: Markdown, to be pasted into docs/PERFORMANCE.md.

use std::fmt::Write as _;
use std::time::Duration;

/// What one sub-bench found.
#[derive(Debug)]
pub struct Section {
    pub title: String,
    /// How it was measured, in a sentence or two.
    pub how: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// What was counted, by name, for whoever checks that the bench did its work.
    pub counts: Vec<(String, u64)>,
}

impl Section {
    pub fn new(title: &str, how: impl Into<String>, columns: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            how: how.into(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: Vec::new(),
            counts: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub fn count(&mut self, name: impl Into<String>, number: u64) {
        self.counts.push((name.into(), number));
    }

    pub fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n{}\n\n", self.title, self.how);
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        text.push_str(&line(&self.columns));
        text.push_str(&line(&vec!["---".to_owned(); self.columns.len()]));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text
    }
}

pub fn facts(facts: &[(&str, String)]) -> String {
    let mut text = String::from("| | |\n|---|---|\n");
    for (name, value) in facts {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    text
}

/// Milliseconds with as many digits as mean something.
pub fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 10.0 { format!("{ms:.3} ms") } else { format!("{ms:.0} ms") }
}

pub fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", to_f64(bytes) / 1024.0 / 1024.0)
}

pub fn ratio(of: Duration, to: Duration) -> String {
    format!("{:.2}", of.as_secs_f64() / to.as_secs_f64().max(f64::EPSILON))
}

fn to_f64(number: u64) -> f64 {
    // What is shown has three digits.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let shown = number as f64;
    shown
}

/// The value below which so many of a thousand lie.
pub fn quantile(sorted: &[Duration], permille: usize) -> Duration {
    let at = (sorted.len() * permille).div_ceil(1000).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let sorted: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(quantile(&sorted, 500), Duration::from_millis(100));
        assert_eq!(quantile(&sorted, 990), Duration::from_millis(198));
        assert_eq!(quantile(&sorted[..1], 990), Duration::from_millis(1));
        assert_eq!(quantile(&[], 500), Duration::ZERO);
    }
}

//! Published systems: every program of `examples/gallery` runs in a small form. `UPDATE=1` runs all in full and writes their table anew.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::json;

/// What the head of a program says: `// Source: …`, after a line that tells what it is.
struct Row {
    program: PathBuf,
    head: Vec<String>,
}

impl Row {
    fn read(program: PathBuf) -> Row {
        let text = std::fs::read_to_string(&program).unwrap();
        let head = text.lines().map_while(|line| line.strip_prefix("// ")).map(str::to_string).collect();
        Row { program, head }
    }

    fn name(&self) -> &str {
        self.program.file_stem().and_then(|stem| stem.to_str()).unwrap()
    }

    fn says(&self, key: &str) -> &str {
        let found = self.head.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        found.unwrap_or_else(|| panic!("{} does not say `// {key}: …`", self.name()))
    }

    /// What a run with these constants gives.
    fn run(&self, constants: &[&str]) -> Value {
        let program = self.program.display().to_string();
        let mut arguments = vec!["run", &program, "--json"];
        arguments.extend(constants.iter().flat_map(|constant| ["--set", constant]));
        json(&arguments)
    }

    /// `Shown: accuracy of cells, ideal; energy_j.total / events of cells`: every value found, with its spread over chips.
    fn shown(&self, run: &Value) -> Vec<String> {
        let mut shown = Vec::new();
        for part in self.says("Shown").split("; ") {
            let (metric, experiments) = part.split_once(" of ").unwrap_or_else(|| panic!("{part}: … of …"));
            for name in experiments.split(", ") {
                let of = run["experiments"].as_array().unwrap().iter().find(|of| of["experiment"] == name);
                let all = of.and_then(|of| of["metrics_each"].as_object());
                let all = all.unwrap_or_else(|| panic!("{} has no experiment {name}", self.name()));
                let before = shown.len();
                let (metric, over) = metric.split_once(" / ").unwrap_or((metric, ""));
                let over: Vec<f64> =
                    all.get(over).and_then(Value::as_array).map_or_else(Vec::new, |values| numbers(values));
                for (known, values) in all {
                    let Some(when) = known.strip_prefix(metric) else { continue };
                    if when.is_empty() || when.starts_with(" after ") {
                        let mut values = numbers(values.as_array().unwrap());
                        values.iter_mut().zip(&over).for_each(|(value, over)| *value /= over);
                        let label = if over.is_empty() { plain(metric) } else { "energy of one" };
                        let (what, value) = (name.replace('_', " "), value(label, &values));
                        // What is no accuracy says what it is.
                        let of = if metric == "accuracy" { String::new() } else { format!(", {label}") };
                        shown.push(format!("{what}{}{of}: {value}", when.replace(" after ", ", ")));
                    }
                }
                assert!(shown.len() > before, "{}: {name} gives no {metric}", self.name());
            }
        }
        shown
    }
}

fn numbers(values: &[Value]) -> Vec<f64> {
    values.iter().filter_map(Value::as_f64).collect()
}

/// `rate_hz.cells` in words.
fn plain(metric: &str) -> &str {
    match metric.split('.').next() {
        Some("rate_hz") => "rate",
        Some("energy_j") => "energy",
        _ => metric,
    }
}

/// Mean and spread over chips.
fn value(label: &str, values: &[f64]) -> String {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let spread = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0)).sqrt();
    let (times, unit, digits) = match label {
        "accuracy" => (100.0, " %", 2),
        "rate" => (1.0, " Hz", 1),
        "energy" => (1e9, " nJ", 3),
        "energy of one" => (1e12, " pJ", 2),
        _ => (1.0, "", 4),
    };
    match values.len() {
        1 => format!("{:.digits$}{unit}", times * mean),
        _ => format!("{:.digits$} ± {:.digits$}{unit}", times * mean, times * spread),
    }
}

fn gallery() -> (PathBuf, Vec<Row>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/gallery");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut programs: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|ext| ext == "nmc")).collect();
    programs.sort();
    (folder, programs.into_iter().map(Row::read).collect())
}

#[test]
fn published_systems_run() {
    let (folder, rows) = gallery();
    let update = std::env::var_os("UPDATE").is_some();
    let mut table = String::from(
        "# Published systems\n\nEach is a program that says what differs from the paper. Values are means over drawn chips with their standard deviation. \
         Written by\n`UPDATE=1 cargo test --release -p nmc published_systems_run`; the tests run all in a small form. What the numbers in the programs\nrest on \
         stands in them; what no source confirms is marked so.\n\n| system | published | here | what differs |\n| --- | --- | --- | --- |\n",
    );
    for row in &rows {
        let small: Vec<&str> = row.says("Small").split(", ").collect();
        let shown = row.shown(&row.run(if update { &[] } else { &small }));
        let (name, source) = (row.name(), row.says("Source"));
        let (published, differs) = (row.says("Published"), row.says("Differs"));
        let what = format!("[{name}]({name}.nmc): {} {source}", row.head[0]);
        writeln!(table, "| {what} | {published} | {} | {differs} |", shown.join("<br>")).unwrap();
    }
    let page = folder.join("README.md");
    if update {
        std::fs::write(&page, table).unwrap();
        return;
    }
    // The page has a row for each, and says of each what its program says.
    let page = std::fs::read_to_string(&page).unwrap();
    let told = |text: &str| text.lines().filter(|line| line.starts_with("| [")).map(without_values).collect::<Vec<_>>();
    assert_eq!(told(&page), told(&table), "UPDATE=1 writes the page anew");
}

/// A line of the table without what runs gave.
fn without_values(line: &str) -> String {
    let cells: Vec<&str> = line.split(" | ").collect();
    [&cells[..2], &cells[3..]].concat().join(" | ")
}

//! Results for people: experiments side by side, one row a figure, with units.

use nmc_host::report::key;
use nmc_program::{ComponentKind, Count, Program};
use nmc_runtime::Results;

use crate::terminal::{columns, digits, si};

/// The figures of one experiment: names and values, in the order to be shown.
pub struct Column {
    name: String,
    figures: Vec<(String, String)>,
}

/// Gathers the figures of an experiment.
pub fn column(program: &Program, results: &Results) -> Column {
    let mut figures = Vec::new();
    let mut add = |name: &str, value: String| figures.push((name.to_string(), value));
    let activity = |name: &str| name.starts_with("spikes.") || name.starts_with("rate_hz.");
    for (name, value) in results.metrics.iter().filter(|(name, _)| !activity(name)) {
        let percent = name == "accuracy" || name.starts_with("accuracy.");
        add(name, if percent { format!("{:.2} %", 100.0 * value) } else { digits(*value) });
    }
    let shown: usize = program.phases.iter().map(|phase| phase.samples).sum();
    if shown > 1 {
        add("samples", results.samples.to_string());
    }
    if !program.costs.layout.cores.is_empty() {
        hardware(program, results, shown.max(1) as f64, &mut add);
    }
    for (name, value) in results.metrics.iter().filter(|(name, _)| activity(name)) {
        match name.split_once('.') {
            Some(("rate_hz", population)) => add(&format!("rate of {population}"), format!("{value:.1} Hz")),
            Some((_, population)) => add(&format!("spikes of {population}"), value.to_string()),
            None => {}
        }
    }
    let seconds = results.jit_seconds + results.load_seconds + results.run_seconds;
    add("time to simulate", si(seconds, "s"));
    Column { name: program.name.clone(), figures }
}

/// What the chip does and costs; `shown`: samples of all phases.
fn hardware(program: &Program, results: &Results, shown: f64, add: &mut impl FnMut(&str, String)) {
    let costs = &program.costs;
    let asked = |name: &str| program.report.iter().any(|wanted| wanted == name);
    let once = |kind: ComponentKind| kind == ComponentKind::Programming;
    let total: f64 = results.energy_j.iter().filter(|(kind, _)| !once(*kind)).map(|(_, joules)| joules).sum();
    let each = if shown > 1.0 { "energy a sample" } else { "energy" };
    add(each, si(total / shown, "J"));
    for (kind, joules) in results.energy_j.iter().filter(|(kind, _)| asked("energy") && !once(*kind)) {
        add(&format!("  {}", key(*kind)), si(joules / shown, "J"));
    }
    if let Some((_, joules)) = results.energy_j.iter().find(|(kind, _)| once(*kind)) {
        add("energy to program, once", si(*joules, "J"));
    }
    let converts = !costs.layout.wires.is_empty();
    for (kind, word) in [(ComponentKind::Adc, "ADC"), (ComponentKind::Dac, "DAC")].into_iter().filter(|_| converts) {
        let count = costs.costs.iter().filter(|cost| cost.kind == kind).map(|cost| match cost.count {
            Count::PerSample(count) => count,
            Count::PerTick(_)
            | Count::Once(_)
            | Count::Spikes(..)
            | Count::SynapticEvents(_)
            | Count::ReadEnergy(_) => 0.0,
        });
        // Not `sum`: an empty sum of floats is -0.
        add(&format!("{word} conversions a sample"), digits(count.fold(0.0, |all, one| all + one)));
    }
    if asked("conversions") {
        for (name, count) in &costs.conversions.elided {
            add(&format!("  {name} left out"), digits(*count));
        }
    }
    if asked("placement") {
        let used = costs.layout.cores.iter().filter(|core| core.utilisation > 0.0).count();
        add("cores used", format!("{used} of {}", costs.layout.cores.len()));
    }
    let area = costs.layout.area_mm2.iter().fold(0.0, |all, (_, mm2)| all + mm2);
    add("chip area", format!("{} mm2", digits(area)));
    add("latency", si(costs.latency_s, "s"));
}

/// The table; a figure that an experiment does not have is a dash.
pub fn table(experiments: &[Column]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for column in experiments {
        // A figure of its own stands after the one it follows in its experiment.
        let mut place = 0;
        for (name, _) in &column.figures {
            match names.iter().position(|known| known == name) {
                Some(at) => place = at + 1,
                None => {
                    names.insert(place, name);
                    place += 1;
                }
            }
        }
    }
    let mut rows = vec![std::iter::once(String::new()).chain(experiments.iter().map(|c| c.name.clone())).collect()];
    for name in names {
        let value = |column: &Column| {
            column.figures.iter().find(|(known, _)| known == name).map_or("-".to_string(), |(_, value)| value.clone())
        };
        rows.push(std::iter::once(name.to_string()).chain(experiments.iter().map(value)).collect::<Vec<_>>());
    }
    let right: Vec<bool> = std::iter::once(false).chain(experiments.iter().map(|_| true)).collect();
    columns(&rows, &right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiments_stand_side_by_side() {
        let column = |name: &str, figures: &[(&str, &str)]| Column {
            name: name.to_string(),
            figures: figures.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect(),
        };
        let text = table(&[
            column("one", &[("accuracy", "97.00 %"), ("time", "1 s")]),
            column("two", &[("accuracy", "96.00 %"), ("energy", "3.00 nJ"), ("time", "2 s")]),
        ]);
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.split("  ").filter(|c| !c.is_empty()).collect()).collect();
        assert_eq!(rows[1][0].trim(), "accuracy");
        assert_eq!(rows[2].iter().map(|c| c.trim()).collect::<Vec<_>>(), ["energy", "-", "3.00 nJ"]);
        assert_eq!(rows[3][0].trim(), "time");
    }
}

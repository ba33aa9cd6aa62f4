//! Results for people: experiments side by side, one row a figure, with units.

use nmc_host::report::key;
use nmc_host::run::programming::{self, Faults, Layer};
use nmc_host::run::{self as host, Outcome, entry};
use nmc_program::{ComponentKind, Count, Program};
use nmc_runtime::Results;

use crate::terminal::{columns, digits, si, si_spread, spread};

/// The figures of one experiment: names and values, in the order to be shown.
pub struct Column {
    pub name: String,
    pub figures: Vec<(String, String)>,
}

/// Gathers the figures of an experiment; those that differ from chip to chip with mean and standard deviation.
pub fn column(program: &Program, outcome: &Outcome) -> Column {
    let mut figures = Vec::new();
    let mut add = |name: &str, value: String| figures.push((name.to_string(), value));
    let activity = |name: &str| name.starts_with("spikes.") || name.starts_with("rate_hz.");
    let first = outcome.first();
    let metrics = first.metrics.iter().enumerate();
    let metrics = metrics.map(|(at, (name, _))| (name, host::spread(outcome.each(move |chip| chip.metrics[at].1))));
    for (name, (mean, deviation)) in metrics.clone().filter(|(name, _)| !activity(name)) {
        let percent = name.split(['.', ' ']).next() == Some("accuracy");
        add(name, if percent { self::percent(mean, deviation) } else { spread(mean, deviation) });
    }
    if outcome.chips.len() > 1 {
        add("chips", outcome.chips.len().to_string());
    }
    if program.samples() > 1 {
        add("samples", first.samples.to_string());
    }
    if !program.costs.layout.cores.is_empty() {
        hardware(program, outcome, &mut add);
    }
    for (name, (mean, deviation)) in metrics.filter(|(name, _)| activity(name)) {
        match name.split_once('.') {
            Some(("rate_hz", population)) if deviation == 0.0 => {
                add(&format!("rate of {population}"), format!("{mean:.1} Hz"));
            }
            Some(("rate_hz", population)) => {
                add(&format!("rate of {population}"), format!("{} Hz", spread(mean, deviation)));
            }
            Some((_, population)) => add(&format!("spikes of {population}"), spread(mean, deviation)),
            None => {}
        }
    }
    let all = if outcome.chips.len() > 1 { format!(", all {} chips", outcome.chips.len()) } else { String::new() };
    add("time to simulate", si(outcome.seconds, "s") + &all);
    Column { name: program.name.clone(), figures }
}

fn percent(mean: f64, deviation: f64) -> String {
    match deviation {
        0.0 => format!("{:.2} %", 100.0 * mean),
        _ => format!("{:.2} ± {:.2} %", 100.0 * mean, 100.0 * deviation),
    }
}

/// What the chip does and costs.
fn hardware(program: &Program, outcome: &Outcome, add: &mut impl FnMut(&str, String)) {
    let costs = &program.costs;
    let asked = |name: &str| program.report.iter().any(|wanted| wanted == name);
    let once = |kind: ComponentKind| kind == ComponentKind::Programming;
    let each = if program.samples() > 1 { "energy a sample" } else { "energy" };
    let joules = |of: &dyn Fn(&Results) -> f64| {
        let (mean, deviation) = host::spread(outcome.each(of));
        si_spread(mean, deviation, "J")
    };
    add(each, joules(&|chip| entry::of_all_kinds(program, chip)));
    let host = |chip: &Results| entry::of_kind(program, chip, ComponentKind::Host);
    if asked("energy") && host(outcome.first()) > 0.0 {
        add("  on the chip", joules(&|chip| entry::of_all_kinds(program, chip) - host(chip)));
    }
    let kinds: Vec<ComponentKind> = outcome.first().energy_j.iter().map(|(kind, _)| *kind).collect();
    for &kind in kinds.iter().filter(|kind| asked("energy") && !once(**kind)) {
        add(&format!("  {}", key(kind)), joules(&|chip| entry::of_kind(program, chip, kind)));
    }
    if let Some(&kind) = kinds.iter().find(|kind| once(**kind)) {
        add("energy to program, once", joules(&|chip| entry::of_kind(program, chip, kind)));
    }
    let layers = programming::layers(outcome);
    let (seconds, deviation) = host::spread(outcome.each(programming::seconds));
    if seconds > 0.0 {
        add("time to program, once", si_spread(seconds, deviation, "s"));
    }
    if asked("programming") {
        for layer in layers {
            let Layer { name, cells, pulses, most, missed, error, spread, range, .. } = layer;
            add(&format!("  {name}: pulses a cell"), format!("{} (at most {most})", digits(pulses / cells)));
            for (what, joules) in [
                ("pulses, by voltage and width", layer.pulse_joules),
                ("verify reads", layer.read_joules),
                ("half-selected cells", layer.half_selected_joules),
            ] {
                if joules > 0.0 {
                    add(&format!("  {name}: {what}"), si(joules, "J"));
                }
            }
            let off = format!("{:.2} ± {:.2} % of range", 100.0 * error / range, 100.0 * spread / range);
            add(&format!("  {name}: error of cells"), off);
            if missed > 0.0 {
                add(&format!("  {name}: cells given up"), format!("{:.2} %", 100.0 * missed / cells));
            }
        }
    }
    for layer in programming::faults(outcome).into_iter().filter(|_| asked("programming")) {
        let Faults { name, columns, cells, dead_columns, dead_columns_left, faulty, faulty_left, spares, used, .. } =
            layer;
        if spares > 0.0 {
            add(&format!("  {name}: spare columns used"), format!("{} of {}", digits(used), digits(spares)));
        }
        let left = |all: f64, left: f64, of: f64| match spares > 0.0 {
            true => format!("{:.2} % (without spares {:.2} %)", 100.0 * left / of.max(1.0), 100.0 * all / of.max(1.0)),
            false => format!("{:.2} %", 100.0 * all / of.max(1.0)),
        };
        add(&format!("  {name}: dead columns"), left(dead_columns, dead_columns_left, columns));
        add(&format!("  {name}: faulty cells"), left(faulty, faulty_left, cells));
    }
    if !outcome.first().training.is_empty() {
        let of_training = |chip: &Results, kind: Option<ComponentKind>| {
            let all = chip.training.iter().flat_map(|training| &training.energy_j);
            all.filter(|(known, _)| kind.is_none_or(|kind| kind == *known)).fold(0.0, |sum, (_, joules)| sum + joules)
        };
        add("energy to train, once", joules(&|chip| of_training(chip, None)));
        if asked("energy") {
            add("  pulses", joules(&|chip| of_training(chip, Some(ComponentKind::Programming))));
        }
        let pulses = |chip: &Results| chip.training.iter().map(|training| training.pulses as f64).sum::<f64>();
        let (mean, deviation) = host::spread(outcome.each(pulses));
        add("pulses to train", spread(mean, deviation));
    }
    let converts = !costs.layout.wires.is_empty();
    let ticks = program.phases.iter().map(|phase| phase.ticks).max().map_or(0.0, f64::from);
    for (kind, word) in [(ComponentKind::Adc, "ADC"), (ComponentKind::Dac, "DAC")].into_iter().filter(|_| converts) {
        let count = costs.costs.iter().filter(|cost| cost.kind == kind).map(|cost| match cost.count {
            Count::PerSample(count) => count,
            Count::PerTick(count) => count * ticks,
            Count::Once(_)
            | Count::Spikes(..)
            | Count::SynapticEvents(..)
            | Count::Updates(_)
            | Count::Pulses(_)
            | Count::Written(_)
            | Count::WriteEnergy(_)
            | Count::RowReads(_)
            | Count::Sum(_)
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

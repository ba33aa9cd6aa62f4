//! Rules whose weights lie in cells: what they add becomes pulses. Oracles: sums written out, binomial numbers, the ideal rule.

use nmc_compiler::files::NoFiles;
use nmc_program::ComponentKind;
use nmc_runtime::{EngineKind, Recorded, Results};
use nmc_tests::{ENGINES, codes, recorded, run};

/// Forty sources that all spike in the first 20 steps, each joined to 25 targets, and a rule that adds a weight for each arrival.
fn text(device: &str, rule: &str, connect: &str, experiment: &str) -> String {
    let all: Vec<String> = (0..20).flat_map(|step| (0..40).map(move |source| format!("({source}, {step})"))).collect();
    let of = |part: usize| {
        let pairs = all.iter().map(|pair| pair[1..pair.len() - 1].split(", ").nth(part).unwrap());
        pairs.collect::<Vec<_>>().join(", ")
    };
    format!(
        "device cell {{ conductance: 0 S .. 100 uS; {device} }}
        plasticity adds(a: weight, w_max: weight) {{ {rule}; w in 0..w_max }}
        neuron silent {{ state v: voltage = 0 mV; spike when v > 1e6 V {{ v = 0 mV }} }}
        network net(s: spikes[40]) {{
            population target: silent[25]()
            connect c: s -> target {{ weight: 0 mV, plasticity: adds(a: 0.5 mV, w_max: 100 mV){connect} }}
            probe c.w
        }}
        experiment e {{
            deploy net {{ step: 0.1 ms }}
            run for 2.5 ms {{ s: spikes([{}], [{}]) }}{experiment}
        }}",
        of(0),
        of(1)
    )
}

const ADDS: &str = "on pre { w += a }";
const STEADY: &str = "levels: ideal; potentiation: 0.5 uS; depression: 0.25 uS; pulse_energy: 2 pJ";

/// Weights at the end, in mV.
fn weights(results: &Results) -> Vec<f64> {
    let data = match recorded(results, "c.w") {
        Recorded::Synapses { data, .. } => data.clone(),
        Recorded::Values { data, elements, .. } => data[data.len() - elements..].to_vec(),
        Recorded::Spikes { .. } | Recorded::Histogram { .. } => panic!(),
    };
    assert_eq!(data.len(), 1000);
    data.into_iter().map(|w| 1e3 * w).collect()
}

fn once(text: &str) -> Results {
    run("plastic.nmc", text, &NoFiles, EngineKind::Jit).remove(0)
}

fn metric(results: &Results, name: &str) -> f64 {
    results
        .metrics
        .iter()
        .find(|(known, _)| known == name)
        .unwrap_or_else(|| panic!("no {name}: {:?}", results.metrics))
        .1
}

fn joules(results: &Results) -> f64 {
    results.energy_j.iter().filter(|(kind, _)| *kind == ComponentKind::Programming).map(|(_, joules)| joules).sum()
}

fn mean(all: &[f64]) -> f64 {
    all.iter().sum::<f64>() / all.len() as f64
}

fn variance(all: &[f64]) -> f64 {
    let mean = mean(all);
    all.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (all.len() - 1) as f64
}

/// A change as large as a step is a pulse, whatever is drawn.
#[test]
fn a_change_of_a_step_is_a_pulse() {
    for engine in ENGINES {
        let results = run("plastic.nmc", &text(STEADY, ADDS, ", cells: cell", ""), &NoFiles, engine).remove(0);
        assert!(weights(&results).iter().all(|w| (w - 10.0).abs() < 1e-9));
        assert_eq!(metric(&results, "pulses.c"), 20.0 * 1000.0);
        assert!((joules(&results) - 2e-12 * 20_000.0).abs() < 1e-18, "{}", joules(&results));
    }
}

/// Pulses are a metric by the name of their connection, whatever tells their joules, and can be required.
#[test]
fn pulses_are_counted_and_required_by_name() {
    let plain = STEADY.replace("; pulse_energy: 2 pJ", "");
    let across = format!("{plain}; pulse_voltage: 2 V; programming: one_shot(pulse_time: 10 ns)");
    for device in [STEADY, &plain, &across] {
        let asked = |limit: usize| once(&text(device, ADDS, ", cells: cell", &format!("; require pulses.c < {limit}")));
        let (few, many) = (asked(20_000), asked(20_001));
        assert_eq!((metric(&few, "pulses.c"), metric(&many, "pulses.c")), (20_000.0, 20_000.0), "{device}");
        assert_eq!((few.failures.len(), many.failures.len()), (1, 0), "{device}");
    }
}

/// Twenty pulses from 0 on, by 0.5 uS each, 2 V for 10 ns across what is held before: 0 + 0.5 + … + 9.5 uS in each of a thousand cells.
#[test]
fn pulses_take_what_their_voltage_and_width_say() {
    let steady = "levels: ideal; potentiation: 0.5 uS; depression: 0.25 uS";
    let device = format!("{steady}; pulse_voltage: 2 V; programming: one_shot(pulse_time: 10 ns)");
    for engine in ENGINES {
        let results = run("plastic.nmc", &text(&device, ADDS, ", cells: cell", ""), &NoFiles, engine).remove(0);
        let wanted = 1000.0 * 95e-6 * 4.0 * 10e-9;
        assert!((joules(&results) / wanted - 1.0).abs() < 1e-9, "{}", joules(&results));
    }
    assert_eq!(joules(&once(&text(steady, ADDS, ", cells: cell", ""))), 0.0);
}

/// Changes that are no whole number of steps are right on average. Oracle: the rule with weights that are numbers, and binomial numbers.
#[test]
fn parts_of_a_pulse_come_by_chance() {
    for (rule, wanted, step, spread) in [
        ("on pre { w += 0.4 * a }", 4.0, 0.5, 20.0 * 0.4 * 0.6 * 0.25),
        ("on pre { w += 3.25 * a }", 32.5, 0.5, 20.0 * 0.25 * 0.75 * 0.25),
        // From 50 mV on, downwards, by steps of 0.25 mV.
        (
            "on pre { w += (if w == 0 mV then 50 mV else -0.05 mV) }",
            50.0 - 19.0 * 0.05,
            0.25,
            19.0 * 0.2 * 0.8 * 0.0625,
        ),
    ] {
        let ideal = weights(&once(&text(STEADY, rule, "", "")));
        assert!(ideal.iter().all(|w| (w - wanted).abs() < 1e-9), "{} for {wanted}", ideal[0]);
        let all = weights(&once(&text(STEADY, rule, ", cells: cell", "")));
        assert!(all.iter().all(|w| ((w / step).round() * step - w).abs() < 1e-9));
        let error = (spread / 1000.0_f64).sqrt();
        assert!((mean(&all) - wanted).abs() < 4.0 * error, "{} for {wanted}", mean(&all));
        assert!((variance(&all) / spread - 1.0).abs() < 0.2, "{} for {spread}", variance(&all));
    }
}

/// Steps that shrink towards the bound, with noise of their own. Oracle: the sum in closed form.
#[test]
fn steps_are_the_devices() {
    // In the middle of the range a pulse is 5 uS, as much as the rule asks for.
    let soft = "levels: ideal; potentiation: 0.1 * (g_max - g); depression: 0.1 * g";
    let all = weights(&once(&text(soft, "on pre { w += 10 * a }", ", cells: cell", "")));
    assert!(all.iter().all(|w| (w - 100.0 * (1.0 - 0.9_f64.powi(20))).abs() < 1e-9), "{}", all[0]);
    let noisy = format!("{STEADY}; noise pulse: normal(0, 30 % of step)");
    let all = weights(&once(&text(&noisy, ADDS, ", cells: cell", "")));
    assert!((mean(&all) - 10.0).abs() < 4.0 * (20.0 * 0.0225 / 1000.0_f64).sqrt(), "{}", mean(&all));
    assert!((variance(&all) / (20.0 * 0.0225) - 1.0).abs() < 0.2, "{}", variance(&all));
    // A cell's own step, which all of its pulses have.
    let own = "levels: ideal; size = normal(0.5 uS, 0.1 uS); potentiation: size; depression: size";
    let all = weights(&once(&text(own, ADDS, ", cells: cell", "")));
    assert!((variance(&all) / 4.0 - 1.0).abs() < 0.2, "{}", variance(&all));
}

/// Stuck cells stay where they are, others start as levels and programming let them.
#[test]
fn cells_start_and_fail_as_their_device_does() {
    let faulty = format!("{STEADY}; faults: [stuck_on(20 %), stuck_off(30 %)]");
    let all = weights(&once(&text(&faulty, ADDS, ", cells: cell", "")));
    let share = |wanted: f64| all.iter().filter(|w| (**w - wanted).abs() < 1e-9).count() as f64 / 1000.0;
    assert!((share(100.0) - 0.2).abs() < 0.05 && (share(0.0) - 0.3).abs() < 0.06 && (share(10.0) - 0.5).abs() < 0.06);
    let started = |device: &str, weight: &str| {
        let text = text(device, "on pre { w += 0 * a }", ", cells: cell", "").replace("weight: 0 mV", weight);
        weights(&once(&text))
    };
    let device = "levels: 5; potentiation: 1 uS; depression: 1 uS";
    assert!(started(device, "weight: 60 mV").iter().all(|w| (w - 50.0).abs() < 1e-9));
    let device = "levels: ideal; potentiation: 1 uS; depression: 1 uS; noise programming: normal(0, 5 % of g)";
    let all = started(device, "weight: 60 mV");
    assert!((variance(&all).sqrt() / 3.0 - 1.0).abs() < 0.1 && (mean(&all) - 60.0).abs() < 0.4);
}

#[test]
fn frozen_cells_get_no_pulses() {
    let more = "\n run for 2.5 ms { s: spikes([0, 1], [1, 1]), freeze c }";
    let results = once(&text(STEADY, ADDS, ", cells: cell", more));
    assert_eq!(metric(&results, "pulses.c"), 20.0 * 1000.0);
}

#[test]
fn what_cells_need_is_told() {
    let of = |device: &str, rule: &str, connect: &str| codes(&text(device, rule, connect, ""));
    assert_eq!(of("levels: ideal", ADDS, ", cells: cell"), ["E0463"]);
    assert_eq!(of(STEADY, "w' = a / 1 s", ", cells: cell"), ["E0463"]);
    assert_eq!(of("levels: ideal; potentiation: 0 uS; depression: 1 uS", ADDS, ", cells: cell"), ["E0463"]);
    assert_eq!(of(STEADY, ADDS, ", cells: sell"), ["E0201"]);
    let unbound = text(STEADY, ADDS, ", cells: cell", "").replace("; w in 0..w_max", "; on post { w += 0 * w_max }");
    assert_eq!(codes(&unbound), ["E0463"]);
}

//! Weights in devices with states of their own. Oracles: the device alone, driven by the same pulses; formulas; the ideal rule.

use nmc_compiler::files::NoFiles;
use nmc_program::ComponentKind;
use nmc_runtime::{EngineKind, Recorded, Results};
use nmc_tests::{ENGINES, codes, nested, recorded, run, values};

/// Volatile, with a formula.
const FADING: &str = "device cell(tau: time = 4 ms, gain: frequency = 10 kHz) {
    input v: voltage
    state s: real = 0
    s' = gain * max(v / 1 V, 0) * (1 - s) - s / tau
    s in 0..1
    conductance = 1 uS + 9 uS * s
    pulse_voltage: 1 V; programming: one_shot(pulse_time: 20 us)
}";
/// A fast state opens a slow one, which has a window: no formula.
const SECOND: &str = "device cell {
    input v: voltage
    state fast: real = 0
    state s: real = 0.3
    u = v / 1 V
    fast' = 5 kHz * abs(u) * (1 - fast) - fast / 3 ms
    s' = 40 kHz * fast * (max(u, 0) * (1 - s)^2 - max(-u, 0) * s^2) - 2 Hz * s
    s in 0..1
    fast in 0..1
    conductance = 1 uS + 9 uS * s
    pulse_voltage: 1 V; programming: one_shot(pulse_time: 20 us)
}";
/// Every pulse moves it by 0.002 of its range; it keeps what it holds.
const STEADY: &str = "device cell {
    input v: voltage
    state s: real = 0
    s' = 100 Hz * v / 1 V
    s in 0..1
    conductance = 10 uS + 90 uS * s
    pulse_voltage: 1 V; programming: one_shot(pulse_time: 20 us)
}";

fn once(text: &str, engine: EngineKind) -> Results {
    run("stateful.nmc", text, &NoFiles, engine).remove(0)
}

fn joules(results: &Results) -> f64 {
    results.energy_j.iter().filter(|(kind, _)| *kind == ComponentKind::Programming).map(|(_, joules)| joules).sum()
}

/// A synapse at which a spike arrives in these steps of 0.1 ms, and a rule that then adds `change`.
fn synapse(device: &str, start: f64, change: &str, at: &[u64], more: &str) -> String {
    let (zeros, steps) = (vec!["0"; at.len()].join(", "), at.iter().map(u64::to_string).collect::<Vec<_>>());
    format!(
        "{device}
        plasticity pulses(w_max: weight) {{ on pre {{ w += {change} }}; w in 0..w_max }}
        neuron silent {{ state v: voltage = 0 mV; spike when v > 1e6 V {{ v = 0 mV }} }}
        network net(x: spikes[1]) {{
            population a: silent[1]()
            connect c: x -> a {{ weight: {start} mV, plasticity: pulses(w_max: 90 mV), cells: cell }}
            probe c.w, c.pulses every 0.1 ms
        }}
        experiment e {{ deploy net; run for 12 ms {{ step: 0.1 ms; x: spikes([{zeros}], [{}]){more} }} }}",
        steps.join(", ")
    )
}

/// Of one synapse.
fn course(results: &Results, name: &str) -> Vec<f64> {
    match recorded(results, name) {
        Recorded::Synapses { data, .. } => data[..120].to_vec(),
        Recorded::Values { data, .. } => data[..120].to_vec(),
        Recorded::Spikes { .. } | Recorded::Histogram { .. } => panic!("{name}"),
    }
}

/// Oracle: the device as a population, driven by pulses of that voltage that last as long as all that were due, and by nothing in between. In the synapse pulses
/// take no time.
#[test]
fn a_synapse_goes_the_way_of_its_device() {
    let at = [8, 11, 20, 60, 63, 90];
    for (device, change) in [(FADING, "30 mV"), (SECOND, "(if t > 5 ms then -30 mV else 30 mV)"), (STEADY, "0.9 mV")] {
        let mut before: Option<Vec<f64>> = None;
        for engine in ENGINES {
            let results = once(&synapse(device, if device == STEADY { 9.0 } else { 0.0 }, change, &at, ""), engine);
            let (weights, pulses) = (course(&results, "c.w"), course(&results, "c.pulses"));
            assert!(before.as_ref().is_none_or(|before| *before == weights), "the engines differ");
            before = Some(weights.clone());
            // 10 us a row: between events 0.1 ms for each step, then the pulses.
            let (mut drive, mut ends, mut last) = (Vec::new(), Vec::new(), 0);
            let mut done = 0.0;
            for step in at {
                drive.extend(vec![0.0; 10 * (step - last) as usize]);
                let many = pulses[step as usize] - done;
                done += many;
                let volts = if change.contains("-30") && step > 50 { -1.0 } else { 1.0 };
                drive.extend(vec![volts; 2 * many as usize]);
                (last, ends) = (step, [ends, vec![(step as usize, drive.len() - 1)]].concat());
            }
            assert!(done >= 5.0, "{done} pulses");
            let start = if device == STEADY { "state s: real = 0.1" } else { "state s: real = 0" };
            let alone =
                device.replace("state s: real = 0.3", start).replace("state s: real = 0\n", &format!("{start}\n"));
            let text = format!(
                "{alone}
                network net(u: real[1]) {{ population d: cell[1](); u |> scale(1 V) -> d.v; probe d.conductance }}
                experiment e {{
                    deploy net
                    run for {} us {{ step: 10 us; u: {} every 10 us }}
                }}",
                10 * drive.len(),
                nested(&drive, &[drive.len(), 1])
            );
            let results = once(&text, engine);
            let alone = values(&results, "d.conductance");
            let (low, range) = if device == STEADY { (10e-6, 90e-6) } else { (1e-6, 9e-6) };
            for (step, row) in ends {
                let wanted = 90e-3 * (alone[row] - low) / range;
                assert!((weights[step] - wanted).abs() < 2e-5 * 90e-3, "{step}: {} for {wanted}", weights[step]);
            }
        }
    }
}

/// Analytic: between pulses the weight decays with the device's time constant; what pulses take is the voltage squared times what conducts, over time.
#[test]
fn it_forgets_and_takes_joules_as_formulas_say() {
    let results = once(&synapse(FADING, 0.0, "30 mV", &[5], ""), EngineKind::Jit);
    let weights = course(&results, "c.w");
    assert!(weights[5] > 1e-3);
    for step in 6..120 {
        let wanted = weights[5] * (-(step as f64 - 5.0) * 0.1 / 4.0).exp();
        assert!((weights[step] / wanted - 1.0).abs() < 1e-9, "{step}: {} for {wanted}", weights[step]);
    }
    // The rate of rising and falling together, and where it leads.
    let many = course(&results, "c.pulses")[5];
    let (seconds, rate) = (20e-6 * many, 10e3 + 250.0);
    let (end, decayed) = (10e3 / rate, 1.0 - (-rate * seconds).exp());
    let wanted = 1e-6 * seconds + 9e-6 * end * (seconds - decayed / rate);
    assert!((joules(&results) / wanted - 1.0).abs() < 1e-5, "{} for {wanted}", joules(&results));
    let said = FADING.replace("pulse_time: 20 us", "pulse_time: 20 us, pulse_energy: 3 pJ");
    let results = once(&synapse(&said, 0.0, "30 mV", &[5], ""), EngineKind::Jit);
    assert!((joules(&results) / (3e-12 * many) - 1.0).abs() < 1e-9);
}

/// Oracle (cross): the weights of the rule without cells, about which those in fine cells lie by chance.
#[test]
fn the_same_rule_runs_ideal_and_on_devices() {
    let text = format!(
        "use std.plasticity.stdp
        use std.neuron.poisson
        {STEADY}
        neuron noisy {{ state v: voltage = 0 mV; spike when uniform(0, 1) < 0.02 {{}} }}
        network net() {{
            population s: poisson[40](rate: 30 Hz)
            population a: noisy[25]()
            connect ideal: s -> a {{ synapse: none(), weight: 5 mV, plasticity: stdp(w_max: 10 mV, a_minus: 0.008) }}
            connect cells: s -> a {{
                synapse: none(), weight: 5 mV, plasticity: stdp(w_max: 10 mV, a_minus: 0.008), cells: cell
            }}
            probe ideal.w, cells.w
        }}
        synapse none {{}}
        experiment e {{ deploy net; run for 1 s {{ step: 1 ms }} }}"
    );
    let results = once(&text, EngineKind::Jit);
    let weights = |name: &str| match recorded(&results, name) {
        Recorded::Synapses { data, .. } => data[data.len() - 1000..].to_vec(),
        Recorded::Values { .. } | Recorded::Spikes { .. } | Recorded::Histogram { .. } => panic!(),
    };
    let (ideal, cells) = (weights("ideal.w"), weights("cells.w"));
    let moved = ideal.iter().map(|w| (w - 5e-3).powi(2)).sum::<f64>() / 1000.0;
    let off = ideal.iter().zip(&cells).map(|(ideal, cells)| cells - ideal).collect::<Vec<f64>>();
    let spread = (off.iter().map(|off| off * off).sum::<f64>() / 1000.0).sqrt();
    // A change is rounded to 0 or 1 step of 0.02 mV: at most half of that each, some fifty times.
    assert!(spread < 0.02e-3 * 0.5 * 60_f64.sqrt() && spread > 0.02e-3, "{spread}");
    assert!(moved.sqrt() > 2.0 * spread, "{moved} {spread}");
    let mean = off.iter().sum::<f64>() / 1000.0;
    assert!(mean.abs() < 4.0 * spread / 1000_f64.sqrt(), "{mean} {spread}");
}

/// A cell's own numbers are drawn once, a start is met by the state, and faults and `freeze` hold.
#[test]
fn cells_start_differ_fail_and_stand_still() {
    let started = once(&synapse(STEADY, 45.0, "0 mV", &[5], ""), EngineKind::Jit);
    assert!(course(&started, "c.w").iter().all(|w| (w - 45e-3).abs() < 1e-12));
    let frozen = format!("{}\n", synapse(FADING, 60.0, "30 mV", &[5], "; freeze c"));
    assert!(course(&once(&frozen, EngineKind::Jit), "c.w").iter().all(|w| (w - 60e-3).abs() < 1e-12));
    let stuck = FADING.replace("pulse_voltage", "faults: [stuck_on(100 %)]; pulse_voltage");
    let stuck = once(&synapse(&stuck, 0.0, "30 mV", &[5], ""), EngineKind::Jit);
    assert!(course(&stuck, "c.w").iter().all(|w| (w - 90e-3).abs() < 1e-12));
    let own = synapse(FADING, 60.0, "0 mV", &[5], "").replace("cells: cell", "cells: cell(tau: normal(4 ms, 1 ms))");
    let own = own.replace("silent[1]", "silent[200]");
    let results = once(&own, EngineKind::Jit);
    let Recorded::Synapses { data, .. } = recorded(&results, "c.w") else { panic!() };
    let taus: Vec<f64> = data[200 * 10..200 * 11].iter().map(|w| -1.1 / (w / 60e-3).ln()).collect();
    let mean = taus.iter().sum::<f64>() / 200.0;
    let sigma = (taus.iter().map(|tau| (tau - mean).powi(2)).sum::<f64>() / 200.0).sqrt();
    assert!((mean - 4.0).abs() < 0.3 && (sigma - 1.0).abs() < 0.25, "{mean} {sigma}");
}

#[test]
fn what_devices_need_is_told() {
    let of = |device: &str| -> Vec<&str> {
        let all = codes(&synapse(device, 0.0, "1 mV", &[5], ""));
        all.into_iter().filter(|code| code.starts_with('E')).collect()
    };
    assert_eq!(of(FADING), Vec::<&str>::new());
    assert_eq!(of(&FADING.replace("s in 0..1", "")), ["E0463"]);
    assert_eq!(of(&FADING.replace("pulse_voltage: 1 V;", "")), ["E0463"]);
    assert_eq!(of(&FADING.replace("programming: one_shot(pulse_time: 20 us)", "")), ["E0463"]);
    assert_eq!(of(&FADING.replace("pulse_voltage", "levels: 4; pulse_voltage")), ["E0463"]);
    assert_eq!(of(&FADING.replace("input v: voltage", "input v: real").replace("v / 1 V", "v")), ["E0463"]);
    assert_eq!(of(&FADING.replace("9 uS * s", "9 uS * s * (1 - s)")), ["E0463"]);
    assert_eq!(of(&FADING.replace("9 uS * s", "9 uS")), ["E0463"]);
}

//! Softmax by a circuit: against numbers worked out here, which share of noise and mismatch it has, and when it is chosen.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_runtime::EngineKind;
use nmc_tests::{ENGINES, codes, nested, numbers, run, values};

const LEN: usize = 12;
const SAMPLES: usize = 400;

/// Logits of so many samples through a tile that errs in nothing, and what makes shares of them: `unit`, or digital arithmetic at so much an operation.
fn text(unit: &str, digital: &str, converter: &str, logits: &[f64]) -> String {
    let identity: Vec<f64> = (0..LEN * LEN).map(|at| f64::from(u8::from(at % (LEN + 1) == 0))).collect();
    let x = nested(logits, &[logits.len() / LEN, LEN]);
    format!(
        "
device cell {{ conductance: 0 S .. 100 uS; levels: ideal }}
converter tia: current -> voltage {{ energy: 1 fJ; area: 1 um2; time: 1 ns }}
converter adc: current -> bits({converter}) {{ energy: 1 pJ; area: 10 um2; time: 1 ns; range: 1.5 }}
unit alu: bits(16) -> bits(16) {{ implements: any; energy: {digital}; area: 500 um2; time: 1 ns }}
unit shares: voltage -> current {{ implements: softmax; energy: 1 fJ; area: 1 um2; time: 1 ns; {unit} }}
tile array {{
    cells: cell[{LEN}, {}]; weights: differential; input: ideal; sense: ideal or current; read_voltage: 0.2 V; read_time: 10 ns
    wire: ideal
}}
core one {{ tiles: array[1]; units: [alu, shares[{LEN}]]; lines: voltage, current; buffer: 1 kB }}
chip board {{ cores: one; converters: [tia(), adc()] }}
network net(x: real[{LEN}]) -> (y: real[{LEN}]) {{ x |> dense({}) |> softmax -> y }}
experiment e {{ deploy net on board {{ calibrate: {x} }}; test {{ x: {x} }} measure m = sum(y) }}",
        2 * LEN,
        nested(&identity, &[LEN, LEN]),
    )
}

fn logits(scale: f64) -> Vec<f64> {
    numbers(3, LEN * SAMPLES).into_iter().map(|x| scale * x).collect()
}

/// exp(f(x)) over their sum.
fn softmax(logits: &[f64], power: impl Fn(f64) -> f64) -> Vec<f64> {
    let of = |x: &[f64]| -> Vec<f64> {
        let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = x.iter().map(|x| power(x - most)).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(|power| power / sum).collect()
    };
    logits.chunks(LEN).flat_map(of).collect()
}

fn found(text: &str, engine: EngineKind) -> Vec<f64> {
    values(&run("softmax.nmc", text, &NoFiles, engine)[0], "y").to_vec()
}

/// Whether the circuit was chosen.
fn analog(text: &str) -> bool {
    let compilation = compile("softmax.nmc", text, &NoFiles, &Options::default());
    let image = compilation.image.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics));
    image.programs[0].costs.costs.iter().any(|cost| cost.name.ends_with(": shares"))
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// What is dear digitally goes through the circuit, which gives the same where nothing errs; what is cheap does not. Oracle: the definition.
#[test]
fn an_ideal_circuit_is_the_softmax() {
    let logits = logits(6.0);
    let exact = softmax(&logits, f64::exp);
    for (digital, circuit) in [("100 pJ", true), ("0.1 fJ", false)] {
        let text = text("", digital, "24", &logits);
        assert_eq!(analog(&text), circuit);
        for engine in ENGINES {
            let apart = apart(&found(&text, engine), &exact);
            assert!(apart < 1e-6, "{digital}: {apart}");
        }
    }
}

/// Behind a circuit that says what it computes, too. Oracle: the definition, and a step of the largest share.
#[test]
fn a_converter_behind_the_circuit_has_the_range_of_what_it_gives() {
    let logits = logits(6.0);
    let text = text("y = exp(max(x, -60))", "100 pJ", "8", &logits).replace("; range: 1.5", "");
    let exact = softmax(&logits, f64::exp);
    let apart = apart(&found(&text, EngineKind::Jit), &exact);
    let most = exact.iter().copied().fold(0.0, f64::max);
    assert!(apart < 0.51 * most / 255.0, "{apart} of {most}");
}

/// An amplifier saturates where the function does, however large its inputs are. Oracle: the definition.
#[test]
fn a_saturating_amplifier_is_the_tanh() {
    let logits = logits(6.0);
    let text = text("y = tanh(x)", "100 pJ", "24", &logits).replace("; range: 1.5", "");
    let text = text.replace("implements: softmax", "implements: tanh").replace("|> softmax", "|> tanh");
    assert!(analog(&text));
    let exact: Vec<f64> = logits.iter().map(|x| x.tanh()).collect();
    let apart = apart(&found(&text, EngineKind::Jit), &exact);
    assert!(apart < 1e-6, "{apart}");
}

/// What a current cannot fall below; currents that add up to one whole whatever their gains; noise beside it. Oracle: moments.
#[test]
fn a_circuit_errs_as_it_is_said() {
    let logits = logits(6.0);
    let exact = softmax(&logits, f64::exp);
    let floored = found(&text("y = exp(max(x, -4))", "100 pJ", "24", &logits), EngineKind::Jit);
    assert!(apart(&floored, &softmax(&logits, |x| x.max(-4.0).exp())) < 1e-6);
    assert!(apart(&floored, &exact) > 1e-3);
    let mismatched = found(&text("gain_error: normal(2 %, 5 %)", "100 pJ", "30", &logits), EngineKind::Jit);
    let gains = |sample: usize| -> Vec<f64> {
        let at = sample * LEN..(sample + 1) * LEN;
        mismatched[at.clone()].iter().zip(&exact[at]).map(|(y, exact)| y / exact).collect()
    };
    for sample in 0..SAMPLES {
        let sum: f64 = mismatched[sample * LEN..(sample + 1) * LEN].iter().sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        // All gains of a chip stay, but for what they are divided by.
        let (one, first) = (gains(sample), gains(0));
        assert!(one.iter().zip(&first).all(|(a, b)| (a / one[0] - b / first[0]).abs() < 1e-3), "{one:?} {first:?}");
    }
    let ratios: Vec<f64> = gains(0).iter().map(|gain| gain / gains(0)[0]).collect();
    let spread = (ratios.iter().map(|ratio| (ratio - 1.0).powi(2)).sum::<f64>() / LEN as f64).sqrt();
    assert!((0.02..0.15).contains(&spread), "{spread}");
    let noisy = found(&text("noise: 1 %", "100 pJ", "24", &logits), EngineKind::Jit);
    // What noise makes less than nothing is nothing to a converter without a sign.
    let large = noisy.iter().zip(&exact).filter(|(_, exact)| **exact > 0.05);
    let errors: Vec<f64> = large.map(|(y, exact)| (y - exact) / 0.01).collect();
    let square = errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64;
    assert!(errors.len() > 500 && (square - 1.0).abs() < 5.0 * (2.0 / errors.len() as f64).sqrt(), "{square}");
}

/// What a circuit cannot be.
#[test]
fn what_a_circuit_cannot_be_is_told() {
    let logits = logits(1.0);
    let said = |from: &str, to: &str| codes(&text("", "1 pJ", "8", &logits[..LEN]).replace(from, to));
    assert_eq!(said("implements: softmax;", "implements: [softmax, relu]; y = exp(x);"), ["E0503"]);
    assert_eq!(said("implements: any;", "implements: any; gain_error: 1 %;"), ["E0503"]);
}

/// Shares send back what they change in one another. Oracle: gradient descent written out, sample by sample.
#[test]
fn what_lies_before_shares_is_trained() {
    const EPOCHS: usize = 6;
    let mut weights: [[f64; 2]; 3] = [[0.4, -0.3], [-0.2, 0.5], [0.1, 0.2]];
    let inputs: [[f64; 2]; 3] = [[1.0, 0.5], [-0.5, 1.0], [0.2, -1.0]];
    let wanted = [[0.7, 0.2, 0.1], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]];
    let text = format!(
        "network n(x: real[2]) -> (y: real[3]) {{ x |> dense({weights:?}) |> softmax -> y }}
        experiment e {{
            deploy n
            train {{ x: {inputs:?} }} expect y == {wanted:?} by backprop(rate: 0.8, epochs: {EPOCHS}, loss: squared, shuffle: false)
        }}"
    );
    let mut losses = Vec::new();
    for _ in 0..EPOCHS {
        let mut sum = 0.0;
        for (x, wanted) in inputs.iter().zip(&wanted) {
            let powers = weights.map(|row| (row[0] * x[0] + row[1] * x[1]).exp());
            let shares = powers.map(|power| power / powers.iter().sum::<f64>());
            let errors = [0, 1, 2].map(|n| shares[n] - wanted[n]);
            sum += 0.5 * errors.iter().map(|error| error * error).sum::<f64>();
            let mean: f64 = (0..3).map(|n| shares[n] * errors[n]).sum();
            for (row, n) in weights.iter_mut().zip(0..) {
                let gradient = shares[n] * (errors[n] - mean);
                row.iter_mut().zip(x).for_each(|(weight, x)| *weight -= 0.8 * gradient * x);
            }
        }
        losses.push(sum / inputs.len() as f64);
    }
    for engine in ENGINES {
        let results = run("softmax.nmc", &text, &NoFiles, engine).remove(0);
        let found = &results.training[0].loss;
        assert!(found.len() == EPOCHS && apart(found, &losses) < 1e-9, "{found:?} {losses:?}");
    }
}

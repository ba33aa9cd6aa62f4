//! Training through the steps of networks with states. Oracle: finite differences of plain loops written here.

use nmc_compiler::files::NoFiles;
use nmc_runtime::{EngineKind, Results};
use nmc_tests::{ENGINES, FINE_CELLS, codes, nested, numbers, product, run, sigmoid, values};

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

const INPUTS: usize = 3;
const HIDDEN: usize = 4;
const STEPS: usize = 5;
const SAMPLES: usize = 6;

/// A network whose weights are learned: by name, as they start.
struct Case {
    /// Its text, with the weights in place of their names in capitals.
    text: String,
    weights: Vec<(&'static str, Vec<f64>, Vec<usize>)>,
    /// What it gives for a sample, from all weights.
    plain: fn(&[Vec<f64>], usize) -> Vec<f64>,
}

fn shown() -> Vec<f64> {
    numbers(4, SAMPLES * STEPS * INPUTS)
}

fn hint() -> Vec<f64> {
    numbers(5, SAMPLES * 2)
}

fn targets() -> Vec<f64> {
    numbers(6, SAMPLES * 2)
}

impl Case {
    /// Mean over samples of half the sum of squares.
    fn loss(&self, weights: &[Vec<f64>]) -> f64 {
        let targets = targets();
        let of_sample = |sample: usize| {
            let y = (self.plain)(weights, sample);
            y.iter().zip(&targets[2 * sample..]).map(|(y, target)| 0.5 * (y - target).powi(2)).sum::<f64>()
        };
        (0..SAMPLES).map(of_sample).sum::<f64>() / SAMPLES as f64
    }

    fn start(&self) -> Vec<Vec<f64>> {
        self.weights.iter().map(|(_, values, _)| values.clone()).collect()
    }

    fn network(&self) -> String {
        let replaced = |text: String, (name, values, shape): &(&str, Vec<f64>, Vec<usize>)| {
            text.replace(&format!("<{name}>"), &nested(values, shape))
        };
        self.weights.iter().fold(self.text.clone(), replaced)
    }

    fn experiment(&self, on: &str, by: &str) -> String {
        let (x, s) = (nested(&shown(), &[SAMPLES, STEPS, INPUTS]), nested(&hint(), &[SAMPLES, 2]));
        let fed = if self.text.contains("s: real[2]") { format!("x: {x}, s: {s}") } else { format!("x: {x}") };
        let targets = nested(&targets(), &[SAMPLES, 2]);
        let on = on.replace("FED", &fed);
        format!(
            "experiment e {{ deploy net{on}; train {{ {fed} }} expect y == {targets} by {by}; test {{ {fed} }} measure m = mean(y) }}"
        )
    }

    /// Gradients by differences.
    fn gradients(&self) -> Vec<Vec<f64>> {
        let start = self.start();
        let slope = |of: usize, at: usize| {
            let moved = |by: f64| {
                let mut weights = start.clone();
                weights[of][at] += by;
                self.loss(&weights)
            };
            (moved(1e-5) - moved(-1e-5)) / 2e-5
        };
        (0..start.len()).map(|of| (0..start[of].len()).map(|at| slope(of, at)).collect()).collect()
    }
}

/// Long short-term memory with a readout.
fn lstm() -> Case {
    let width = INPUTS + HIDDEN;
    Case {
        text: format!(
            "network net(x: real[{INPUTS}]) -> (y: real[2]) {{
                state h: real[4] = 0
                state c: real[4] = 0
                gates = concat(x, h) |> dense(<gates.weight>, bias: <gates.bias>, within: 4)
                c_new = sigmoid(gates[0..4]) * c + sigmoid(gates[4..8]) * tanh(gates[8..12])
                next c = c_new
                next h = sigmoid(gates[12..16]) * tanh(c_new)
                out = h |> dense(<out.weight>, bias: <out.bias>, within: 4)
                out -> y
            }}"
        ),
        weights: vec![
            ("gates.weight", numbers(1, 16 * width), vec![16, width]),
            ("gates.bias", numbers(2, 16), vec![16]),
            ("out.weight", numbers(3, 8), vec![2, HIDDEN]),
            ("out.bias", numbers(7, 2), vec![2]),
        ],
        plain: |weights, sample| {
            let (mut h, mut c) = (vec![0.0; HIDDEN], vec![0.0; HIDDEN]);
            for x in shown()[sample * STEPS * INPUTS..][..STEPS * INPUTS].chunks(INPUTS) {
                let z = sum(&product(&weights[0], &[x, &h[..]].concat()), &weights[1]);
                for n in 0..HIDDEN {
                    c[n] = sigmoid(z[n]) * c[n] + sigmoid(z[4 + n]) * z[8 + n].tanh();
                    h[n] = sigmoid(z[12 + n]) * c[n].tanh();
                }
            }
            sum(&product(&weights[2], &h), &weights[3])
        },
    }
}

/// Layers before, in and after the loop: the state starts from a layer, another drives every step, one state follows another, and the layer of the loop
/// is seen at the output, too.
fn mixed() -> Case {
    Case {
        text: format!(
            "network net(x: real[{INPUTS}], s: real[2]) -> (y: real[2]) {{
                first = s |> dense(<first.weight>, bias: <first.bias>, within: 4)
                drive = tanh(first) |> dense(<drive.weight>, within: 4)
                state h: real[4] = first
                state before: real[4] = 0.5
                state level: real[4] = 0
                loop = concat(x, h) |> dense(<loop.weight>, bias: <loop.bias>, within: 4)
                next h = tanh(loop + drive) * 0.8
                next before = h
                next level = tanh(h[0..1] + level[1..2])
                out = concat(h, before) |> dense(<out.weight>, within: 4)
                out + loop[0..2] * drive[1..3] + level[0..2] -> y
            }}"
        ),
        weights: vec![
            ("first.weight", numbers(1, 8), vec![4, 2]),
            ("first.bias", numbers(2, 4), vec![4]),
            ("drive.weight", numbers(3, 16), vec![4, 4]),
            ("loop.weight", numbers(8, 28), vec![4, 7]),
            ("loop.bias", numbers(9, 4), vec![4]),
            ("out.weight", numbers(10, 16), vec![2, 8]),
        ],
        plain: |weights, sample| {
            let first = sum(&product(&weights[0], &hint()[2 * sample..2 * sample + 2]), &weights[1]);
            let drive = product(&weights[2], &first.iter().map(|x| x.tanh()).collect::<Vec<_>>());
            let (mut h, mut before, mut level) = (first, vec![0.5; 4], vec![0.0; 4]);
            let shown = shown();
            let looped = |x: &[f64], h: &[f64]| sum(&product(&weights[3], &[x, h].concat()), &weights[4]);
            let steps: Vec<&[f64]> = shown[sample * STEPS * INPUTS..][..STEPS * INPUTS].chunks(INPUTS).collect();
            for x in &steps {
                let z = sum(&looped(x, &h), &drive);
                level = vec![(h[0] + level[1]).tanh(); 4];
                before = std::mem::replace(&mut h, z.iter().map(|z| 0.8 * z.tanh()).collect());
            }
            let out = product(&weights[5], &[&h[..], &before[..]].concat());
            let last = looped(steps[STEPS - 1], &h);
            (0..2).map(|n| out[n] + last[n] * drive[n + 1] + level[n]).collect()
        },
    }
}

fn learned(results: &Results, name: &str) -> Vec<f64> {
    let tensor = results.learned.iter().find(|tensor| tensor.name == name).unwrap();
    (0..tensor.data.len()).map(|index| tensor.data.get(index)).collect()
}

/// One step of rate 1 on all samples takes off the gradient, in whatever order they come.
#[test]
fn gradients_through_steps_are_those_of_differences() {
    for case in [lstm(), mixed()] {
        let text =
            format!("{}\n{}", case.network(), case.experiment("", &format!("backprop(rate: 1, batch: {SAMPLES})")));
        let gradients = case.gradients();
        let largest = gradients.iter().flatten().fold(0.0, |most, slope| f64::max(most, slope.abs()));
        for engine in ENGINES {
            let results = &run("through time", &text, &NoFiles, engine)[0];
            assert!((results.training[0].loss[0] - case.loss(&case.start())).abs() < 1e-7);
            for ((name, start, _), wanted) in case.weights.iter().zip(&gradients) {
                for ((new, old), wanted) in learned(results, name).iter().zip(start).zip(wanted) {
                    assert!((old - new - wanted).abs() < 1e-6 * largest.max(1.0), "{name}: {} {wanted}", old - new);
                }
            }
        }
    }
}

/// The same in cells whose steps are small: the loss falls as it does in numbers, and what is left of outputs agrees.
#[test]
fn arrays_learn_through_steps_what_numbers_learn() {
    let chip = FINE_CELLS;
    for case in [lstm(), mixed()] {
        let by = |pulses: &str| format!("backprop(rate: 0.1, batch: {SAMPLES}, epochs: 6{pulses})");
        let network = case.network();
        let ideal = format!("{network}\n{}", case.experiment("", &by("")));
        let cells = format!("{chip}\n{network}\n{}", case.experiment(" on board", &by(", pulses: nearest(10000)")));
        let exact = &run("numbers", &ideal, &NoFiles, EngineKind::Jit)[0];
        for engine in ENGINES {
            let found = &run("cells", &cells, &NoFiles, engine)[0];
            let (a, b) = (&exact.training[0].loss, &found.training[0].loss);
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 2e-3 * a) && a[5] < 0.8 * a[0], "{a:?} {b:?}");
            let near = values(exact, "y").iter().zip(values(found, "y")).all(|(a, b)| (a - b).abs() < 5e-3);
            assert!(near && found.training[0].pulses > 1000);
        }
    }
}

/// Which of two symbols came first, four steps before: long short-term memory learns it from random weights.
#[test]
fn long_short_term_memory_learns_what_came_first() {
    let sample = |n: usize| {
        let mut x = vec![0.0; 10];
        x[n % 2] = 1.0;
        for (step, number) in numbers(n, 4).iter().enumerate() {
            x[2 * (step + 1) + usize::from(*number > 0.0)] = 1.0;
        }
        x
    };
    let all: Vec<f64> = (0..40).flat_map(sample).collect();
    let labels: Vec<usize> = (0..40).map(|n| n % 2).collect();
    let x = nested(&all, &[40, 5, 2]);
    let text = format!(
        "network net(x: real[2]) -> (y: real[2]) {{
            state h: real[6] = 0
            state c: real[6] = 0
            gates = concat(x, h) |> dense(24, bias: true)
            c_new = sigmoid(gates[0..6] + 1) * c + sigmoid(gates[6..12]) * tanh(gates[12..18])
            next c = c_new
            next h = sigmoid(gates[18..24]) * tanh(c_new)
            h |> dense(2, bias: true) -> y
        }}
        experiment e {{
            deploy net
            train {{ x: {x} }} expect argmax(y) == {labels:?} by backprop(rate: 0.5, batch: 4, epochs: 200)
            test {{ x: {x} }} expect argmax(y) == {labels:?}
        }}"
    );
    let results = &run("first", &text, &NoFiles, EngineKind::Jit)[0];
    let accuracy = results.metrics.iter().find(|(name, _)| name == "accuracy").unwrap().1;
    assert!(accuracy == 1.0, "{accuracy} {:?}", results.training[0].loss);
}

#[test]
fn what_does_not_go_through_time_is_told() {
    let case = lstm();
    let with = |by: &str| codes(&format!("{}\n{}", case.network(), case.experiment("", by)));
    assert!(with("backprop(rate: 0.1)").is_empty(), "{:?}", with("backprop(rate: 0.1)"));
    assert!(with("direct_feedback_alignment(rate: 0.1)").contains(&"E0415"));
}

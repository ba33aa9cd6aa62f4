//! A loss at every step: of samples of several steps, and of sequences whose states go on. Oracle: finite differences of plain loops written here.

use nmc_compiler::files::NoFiles;
use nmc_runtime::{EngineKind, Results};
use nmc_tests::{ENGINES, FINE_CELLS, codes, nested, numbers, product, run, sigmoid, values};

const STEPS: usize = 4;
const SAMPLES: usize = 5;

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Weights, an input and the states to what is given, and the states after.
type Step = fn(&[Vec<f64>], &[f64], &mut Vec<Vec<f64>>) -> Vec<f64>;

/// A network whose weights are learned: by name, as they start.
struct Net {
    text: &'static str,
    /// Of what it is shown in a step.
    shape: &'static [usize],
    weights: Vec<(&'static str, Vec<f64>, Vec<usize>)>,
    /// Its states before the first step.
    start: fn(&[Vec<f64>]) -> Vec<Vec<f64>>,
    /// What it gives after a step that is shown an input, and the states.
    step: Step,
}

impl Net {
    /// Long short-term memory with a readout.
    fn lstm() -> Self {
        Net {
            text: "network net(x: real[3]) -> (y: real[2]) {
                state h: real[3] = 0
                state c: real[3] = 0.1
                gates = concat(x, h) |> dense(<gates.weight>, bias: <gates.bias>, within: 4)
                c_new = sigmoid(gates[0..3]) * c + sigmoid(gates[3..6]) * tanh(gates[6..9])
                next c = c_new
                next h = sigmoid(gates[9..12]) * tanh(c_new)
                out = h |> dense(<out.weight>, bias: <out.bias>, within: 4)
                out -> y
            }",
            shape: &[3],
            weights: vec![
                ("gates.weight", numbers(1, 72), vec![12, 6]),
                ("gates.bias", numbers(2, 12), vec![12]),
                ("out.weight", numbers(3, 6), vec![2, 3]),
                ("out.bias", numbers(7, 2), vec![2]),
            ],
            start: |_| vec![vec![0.0; 3], vec![0.1; 3]],
            step: |weights, x, states| {
                let z = sum(&product(&weights[0], &[x, &states[0][..]].concat()), &weights[1]);
                for n in 0..3 {
                    states[1][n] = sigmoid(z[n]) * states[1][n] + sigmoid(z[3 + n]) * z[6 + n].tanh();
                    states[0][n] = sigmoid(z[9 + n]) * states[1][n].tanh();
                }
                sum(&product(&weights[2], &states[0]), &weights[3])
            },
        }
    }

    /// Convolutional long short-term memory: its states are pictures.
    fn convolutional() -> Self {
        Net {
            text: "network net(x: real[1, 2, 3]) -> (y: real[2]) {
                state h: real[1, 2, 3] = 0
                state c: real[1, 2, 3] = 0
                gates = concat(x, h) |> reshape(2, 2, 3)
                    |> conv2d(<gates.weight>, bias: <gates.bias>, padding: 1, within: 4)
                c_new = sigmoid(gates[0..1]) * c + sigmoid(gates[1..2]) * tanh(gates[2..3])
                next c = c_new
                next h = sigmoid(gates[3..4]) * tanh(c_new)
                out = h |> flatten |> dense(<out.weight>, within: 4)
                out -> y
            }",
            shape: &[1, 2, 3],
            weights: vec![
                ("gates.weight", numbers(1, 72), vec![4, 2, 3, 3]),
                ("gates.bias", numbers(2, 4), vec![4]),
                ("out.weight", numbers(3, 12), vec![2, 6]),
            ],
            start: |_| vec![vec![0.0; 6], vec![0.0; 6]],
            step: |weights, x, states| {
                let seen = [x, &states[0][..]].concat();
                let at = |channel: usize, row: usize, col: usize| match (row, col) {
                    (1..3, 1..4) => seen[6 * channel + 3 * (row - 1) + col - 1],
                    _ => 0.0,
                };
                let z = |gate: usize, place: usize| {
                    let weight = |k: usize| weights[0][18 * gate + k];
                    let term = |k: usize| weight(k) * at(k / 9, place / 3 + k % 9 / 3, place % 3 + k % 3);
                    weights[1][gate] + (0..18).map(term).sum::<f64>()
                };
                let (mut h, mut c) = (vec![0.0; 6], vec![0.0; 6]);
                for place in 0..6 {
                    c[place] = sigmoid(z(0, place)) * states[1][place] + sigmoid(z(1, place)) * z(2, place).tanh();
                    h[place] = sigmoid(z(3, place)) * c[place].tanh();
                }
                *states = vec![h, c];
                product(&weights[2], &states[0])
            },
        }
    }

    /// The layer of the loop is seen at the output, too, once more after each step.
    fn looped() -> Self {
        Net {
            text: "network net(x: real[3]) -> (y: real[2]) {
                state h: real[2] = 0.3
                loop = concat(x, h) |> dense(<loop.weight>, within: 4)
                next h = tanh(loop[0..2]) * h + 0.5 * loop[2..4]
                out = h |> dense(<out.weight>, within: 4)
                out * loop[1..3] -> y
            }",
            shape: &[3],
            weights: vec![("loop.weight", numbers(8, 20), vec![4, 5]), ("out.weight", numbers(10, 4), vec![2, 2])],
            start: |_| vec![vec![0.3; 2]],
            step: |weights, x, states| {
                let looped = |h: &[f64]| product(&weights[0], &[x, h].concat());
                let z = looped(&states[0]);
                states[0] = (0..2).map(|n| z[n].tanh() * states[0][n] + 0.5 * z[2 + n]).collect();
                let (out, last) = (product(&weights[1], &states[0]), looped(&states[0]));
                (0..2).map(|n| out[n] * last[1 + n]).collect()
            },
        }
    }

    fn network(&self) -> String {
        let replaced = |text: String, (name, values, shape): &(&str, Vec<f64>, Vec<usize>)| {
            text.replace(&format!("<{name}>"), &nested(values, shape))
        };
        self.weights.iter().fold(self.text.to_string(), replaced)
    }

    fn inputs(&self) -> usize {
        self.shape.iter().product()
    }

    /// What it is shown: so many samples, of so many steps, or of one that is not told.
    fn shown(&self, of: &[usize]) -> (Vec<f64>, String) {
        let x = numbers(4, of.iter().product::<usize>() * self.inputs());
        let text = nested(&x, &[of, self.shape].concat());
        (x, text)
    }

    fn begin(&self) -> Vec<Vec<f64>> {
        self.weights.iter().map(|(_, values, _)| values.clone()).collect()
    }

    /// Mean over steps of half the sum of squares, and the states after the last.
    fn loss(&self, weights: &[Vec<f64>], from: &[Vec<f64>], x: &[f64], targets: &[f64]) -> (f64, Vec<Vec<f64>>) {
        let mut states = from.to_vec();
        let mut of_step = |(x, target): (&[f64], &[f64])| {
            let y = (self.step)(weights, x, &mut states);
            y.iter().zip(target).map(|(y, target)| 0.5 * (y - target).powi(2)).sum::<f64>()
        };
        let losses: f64 = x.chunks(self.inputs()).zip(targets.chunks(2)).map(&mut of_step).sum();
        (losses / (x.len() / self.inputs()) as f64, states)
    }
}

/// Slopes of a function of all weights.
fn slopes(weights: &[Vec<f64>], loss: impl Fn(&[Vec<f64>]) -> f64) -> Vec<Vec<f64>> {
    let slope = |of: usize, at: usize| {
        let moved = |by: f64| {
            let mut weights = weights.to_vec();
            weights[of][at] += by;
            loss(&weights)
        };
        (moved(1e-5) - moved(-1e-5)) / 2e-5
    };
    (0..weights.len()).map(|of| (0..weights[of].len()).map(|at| slope(of, at)).collect()).collect()
}

fn learned(results: &Results, name: &str) -> Vec<f64> {
    let tensor = results.learned.iter().find(|tensor| tensor.name == name).unwrap();
    (0..tensor.data.len()).map(|index| tensor.data.get(index)).collect()
}

fn targets() -> Vec<f64> {
    numbers(6, SAMPLES * STEPS * 2)
}

/// One update of rate 1 by all samples, each with a target at every step: the mean over steps and samples.
#[test]
fn gradients_of_losses_at_every_step_are_those_of_differences() {
    let t = targets();
    let wanted = nested(&t, &[SAMPLES, STEPS, 2]);
    for net in [Net::lstm(), Net::looped(), Net::convolutional()] {
        let (x, fed) = net.shown(&[SAMPLES, STEPS]);
        let mean = |weights: &[Vec<f64>]| {
            let each = x.chunks(STEPS * net.inputs()).zip(t.chunks(STEPS * 2));
            each.map(|(x, t)| net.loss(weights, &(net.start)(weights), x, t).0).sum::<f64>() / SAMPLES as f64
        };
        let gradients = slopes(&net.begin(), mean);
        let text = format!(
            "{}
            experiment e {{
                deploy net
                test {{ x: {fed} }} measure before = mse(y, {wanted})
                train {{ x: {fed} }} expect y == {wanted} by backprop(rate: 1, batch: {SAMPLES})
            }}",
            net.network()
        );
        for engine in ENGINES {
            let results = &run("steps", &text, &NoFiles, engine)[0];
            let before = mean(&net.begin());
            // Two outputs, and half of the square.
            let measured = results.metrics.iter().find(|(name, _)| name == "before").unwrap().1;
            assert!((results.training[0].loss[0] - before).abs() < 1e-7 && (measured - before).abs() < 1e-7);
            assert_eq!(values(results, "y").len(), SAMPLES * STEPS * 2);
            for ((name, start, _), wanted) in net.weights.iter().zip(&gradients) {
                for ((new, old), wanted) in learned(results, name).iter().zip(start).zip(wanted) {
                    assert!((old - new - wanted).abs() < 1e-6 * before.max(1.0), "{name}: {} {wanted}", old - new);
                }
            }
        }
    }
}

/// A sequence in batches that do not fill it: the gradient goes back to the start of its batch, states go on, and into the test behind; epochs start
/// afresh. Of samples of one step, and of two with a target at each.
#[test]
fn states_go_on_through_a_sequence_and_gradients_through_its_batches() {
    let t = targets();
    for (net, steps) in [(Net::lstm(), 1), (Net::convolutional(), 1), (Net::looped(), 1), (Net::looped(), 2)] {
        let (samples, batch, rate, inputs) = (18 / steps, 4, 0.1, net.inputs());
        let length = samples * steps;
        let of = if steps == 1 { vec![samples] } else { vec![samples, steps] };
        let (x, fed) = net.shown(&of);
        let more = numbers(9, 2 * inputs);
        let (mut weights, mut states, mut losses) = (net.begin(), Vec::new(), Vec::new());
        for _ in 0..2 {
            states = (net.start)(&weights);
            let mut all = 0.0;
            for first in (0..length).step_by(batch * steps) {
                let past = (first + batch * steps).min(length);
                let (x, t) = (&x[first * inputs..past * inputs], &t[first * 2..past * 2]);
                let (loss, after) = net.loss(&weights, &states, x, t);
                all += loss * (past - first) as f64;
                let gradients = slopes(&weights, |weights| net.loss(weights, &states, x, t).0);
                for (weight, slope) in weights.iter_mut().flatten().zip(gradients.iter().flatten()) {
                    *weight -= rate * slope;
                }
                states = after;
            }
            losses.push(all / length as f64);
        }
        let (expected, shown) =
            (nested(&t[..length * 2], &[&of[..], &[2]].concat()), if steps == 1 { " for 1 steps" } else { "" });
        let text = format!(
            "{}
            experiment e {{
                deploy net
                train sequence {{ x: {fed} }}{shown} expect y == {expected} by backprop(rate: {rate}, batch: {batch}, epochs: 2)
                test sequence {{ x: {} }} for 1 steps measure m = mean(y)
            }}",
            net.network(),
            nested(&more, &[&[2], net.shape].concat())
        );
        let after: Vec<f64> = more.chunks(inputs).flat_map(|x| (net.step)(&weights, x, &mut states)).collect();
        for engine in ENGINES {
            let results = &run("sequence", &text, &NoFiles, engine)[0];
            let told = &results.training[0].loss;
            assert!(told.iter().zip(&losses).all(|(a, b)| (a - b).abs() < 1e-7), "{told:?} {losses:?}");
            for ((name, ..), wanted) in net.weights.iter().zip(&weights) {
                let off = learned(results, name).iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(off < 1e-7, "{name}: {off}");
            }
            assert!(values(results, "y").iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-6), "{after:?}");
        }
    }
}

/// The same in cells whose steps are small: losses fall as they do in numbers.
#[test]
fn arrays_learn_every_step_and_sequences_as_numbers_do() {
    let chip = FINE_CELLS;
    let t = targets();
    for (net, sequence) in
        [(Net::lstm(), false), (Net::lstm(), true), (Net::looped(), true), (Net::convolutional(), false)]
    {
        let phase = match sequence {
            false => {
                let (of, targets) = ([SAMPLES, STEPS], nested(&t, &[SAMPLES, STEPS, 2]));
                format!("train {{ x: {} }} expect y == {targets}", net.shown(&of).1)
            }
            true => {
                let (of, targets) = ([SAMPLES * STEPS], nested(&t, &[SAMPLES * STEPS, 2]));
                format!("train sequence {{ x: {} }} for 1 steps expect y == {targets}", net.shown(&of).1)
            }
        };
        let text = |on: &str, pulses: &str| {
            let network = net.network();
            format!(
                "{chip}\n{network}\nexperiment e {{ deploy net{on}; {phase} by backprop(rate: 0.1, batch: 5, epochs: 6{pulses}) }}"
            )
        };
        let exact = &run("numbers", &text("", ""), &NoFiles, EngineKind::Jit)[0].training[0];
        for engine in ENGINES {
            let found = &run("cells", &text(" on board", ", pulses: nearest(10000)"), &NoFiles, engine)[0].training[0];
            let (a, b) = (&exact.loss, &found.loss);
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 5e-3 * a) && a[5] < 0.99 * a[0], "{a:?} {b:?}");
            assert!(found.pulses > 1000);
        }
    }
}

/// The parity of all bits so far, at every step: a network that is shown only what it gives at the end could not be told apart from one that guesses.
#[test]
fn labels_at_every_step_are_learned_and_counted() {
    let bits: Vec<f64> = numbers(3, 40 * 6).iter().map(|number| f64::from(*number > 0.0)).collect();
    let parity = |bits: &[f64]| -> Vec<f64> {
        bits.iter()
            .scan(0.0, |sum, bit| {
                *sum = (*sum + bit) % 2.0;
                Some(*sum)
            })
            .collect()
    };
    let labels: Vec<f64> = bits.chunks(6).flat_map(parity).collect();
    let (x, labels) = (nested(&bits, &[40, 6, 1]), nested(&labels, &[40, 6]));
    let text = format!(
        "network net(x: real) -> (y: real[2]) {{
            state h: real[8] = 0
            next h = concat(x, h) |> dense(16, bias: true) |> tanh |> dense(8, bias: true) |> tanh
            h |> dense(2, bias: true) -> y
        }}
        experiment e {{
            deploy net
            train {{ x: {x} }} expect argmax(y) == {labels} by backprop(rate: 0.5, batch: 4, epochs: 400)
            test {{ x: {x} }} expect argmax(y) == {labels}
        }}"
    );
    let results = &run("parity", &text, &NoFiles, EngineKind::Jit)[0];
    let accuracy = results.metrics.iter().find(|(name, _)| name == "accuracy").unwrap().1;
    assert!(accuracy == 1.0 && results.training[0].accuracy[399] == 1.0, "{accuracy} {:?}", results.training[0].loss);
}

#[test]
fn what_is_no_sequence_of_steps_is_told() {
    let network = Net::looped().network();
    let with = |phase: &str| codes(&format!("{network}\nexperiment e {{ deploy net; {phase} }}"));
    let (x, t) = ("[[1, 2, 3], [2, 3, 4], [0, 1, 2]]", "[[1, 2], [3, 4], [5, 6]]");
    let by = "by backprop(rate: 0.1, batch: 3)";
    let sequence = |more: &str| format!("train sequence {{ x: {x} }} for 1 steps expect y == {t} {more}");
    assert!(with(&sequence(by)).is_empty(), "{:?}", with(&sequence(by)));
    assert_eq!(with(&sequence("by backprop(rate: 0.1, shuffle: true)")), ["E0415"]);
    assert_eq!(with(&sequence("by direct_feedback_alignment(rate: 0.1)")), ["E0415"]);
    // Targets of two steps, samples of three.
    assert_eq!(with(&format!("train {{ x: [{x}] }} expect y == [[[1, 2], [3, 4]]] {by}")), ["E0310"]);
    assert!(with(&format!("train {{ x: [{x}] }} expect y == [{t}] {by}")).is_empty());
    // At the last step, and at each.
    let both = format!("test {{ x: [{x}] }} measure a = mse(y, [[1, 2]]) measure b = mse(y, [{t}])");
    assert_eq!(with(&both), ["E0310"]);
    // A state that starts from a signal starts with every sample.
    let afresh = network.replace("= 0.3", "= x[0..2]");
    assert!(codes(&format!("{afresh}\nexperiment e {{ deploy net; {} }}", sequence(by))).contains(&"E0415"));
    let still = "network net(x: real[3]) -> (y: real[2]) { x |> dense(2) -> y }";
    assert_eq!(
        codes(&format!("{still}\nexperiment e {{ deploy net; {} }}", sequence(by).replace(" for 1 steps", ""))),
        ["E0415"]
    );
}

//! Training by gradients: exact weights against plain loops and finite differences written here, cells against what their equations say.

use nmc_compiler::files::NoFiles;
use nmc_runtime::{EngineKind, Results};
use nmc_tests::{ENGINES, codes, run, values};

/// Numbers of both signs that follow no pattern.
fn numbers(seed: usize, len: usize) -> Vec<f64> {
    (0..len).map(|n| ((seed * 1000 + n * n + 3 * n) as f64 * 12.9898).sin()).collect()
}

/// Rows of numbers as the language writes them.
fn rows(values: &[f64], width: usize) -> String {
    let row = |row: &[f64]| format!("[{}]", row.iter().map(f64::to_string).collect::<Vec<_>>().join(", "));
    format!("[{}]", values.chunks(width).map(row).collect::<Vec<_>>().join(", "))
}

/// Weights [outputs, inputs] times x.
fn product(w: &[f64], x: &[f64]) -> Vec<f64> {
    w.chunks(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
}

#[test]
fn two_layers_learn_what_plain_loops_learn() {
    let (inputs, hidden, outputs, samples, batch) = (3, 4, 2, 7, 3);
    let (mut w, mut b) = (numbers(1, hidden * inputs), numbers(2, hidden));
    let (mut v, mut c) = (numbers(3, outputs * hidden), numbers(4, outputs));
    let (x, labels) = (numbers(5, samples * inputs), [0, 1, 1, 0, 1, 0, 0]);
    let list = |values: &[f64]| format!("[{}]", values.iter().map(f64::to_string).collect::<Vec<_>>().join(", "));
    let text = format!(
        "network n(x: real[{inputs}]) -> (y: real[{outputs}]) {{
            x |> dense({}, bias: {}) |> tanh |> dense({}, bias: {}) -> y
        }}
        experiment e {{
            deploy n
            train {{ x: {} }} expect argmax(y) == {labels:?}
                by backprop(rate: 0.3, decay: 0.5, batch: {batch}, epochs: 4, shuffle: false)
            test {{ x: {} }} measure m = mean(y)
        }}",
        rows(&w, inputs),
        list(&b),
        rows(&v, hidden),
        list(&c),
        rows(&x, inputs),
        rows(&x, inputs),
    );
    let (mut losses, mut rate) = (Vec::new(), 0.3);
    for _ in 0..4 {
        let mut loss = 0.0;
        let order: Vec<usize> = (0..samples).collect();
        for of_batch in order.chunks(batch) {
            let (mut dw, mut db) = (vec![0.0; w.len()], vec![0.0; hidden]);
            let (mut dv, mut dc) = (vec![0.0; v.len()], vec![0.0; outputs]);
            for &sample in of_batch {
                let x = &x[sample * inputs..(sample + 1) * inputs];
                let h: Vec<f64> = product(&w, x).iter().zip(&b).map(|(z, b)| (z + b).tanh()).collect();
                let y: Vec<f64> = product(&v, &h).iter().zip(&c).map(|(z, c)| z + c).collect();
                let all: f64 = y.iter().map(|y| y.exp()).sum();
                loss -= (y[labels[sample]].exp() / all).ln();
                let d: Vec<f64> =
                    (0..outputs).map(|o| y[o].exp() / all - f64::from(u8::from(o == labels[sample]))).collect();
                for o in 0..outputs {
                    dc[o] += d[o];
                    (0..hidden).for_each(|k| dv[o * hidden + k] += d[o] * h[k]);
                }
                for k in 0..hidden {
                    let back: f64 = (0..outputs).map(|o| v[o * hidden + k] * d[o]).sum::<f64>() * (1.0 - h[k] * h[k]);
                    db[k] += back;
                    (0..inputs).for_each(|i| dw[k * inputs + i] += back * x[i]);
                }
            }
            let step = rate / of_batch.len() as f64;
            let pairs = [(&mut w, &dw), (&mut b, &db), (&mut v, &dv), (&mut c, &dc)];
            for (weights, gradient) in pairs {
                weights.iter_mut().zip(gradient).for_each(|(w, d)| *w -= step * d);
            }
        }
        losses.push(loss / samples as f64);
        rate *= 0.5;
    }
    let outputs_after: Vec<f64> = x
        .chunks(inputs)
        .flat_map(|x| {
            let h: Vec<f64> = product(&w, x).iter().zip(&b).map(|(z, b)| (z + b).tanh()).collect();
            product(&v, &h).iter().zip(&c).map(|(z, c)| z + c).collect::<Vec<_>>()
        })
        .collect();
    for engine in ENGINES {
        let results = &run("two layers", &text, &NoFiles, engine)[0];
        let near = |a: &[f64], b: &[f64]| {
            assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-7), "{a:?} {b:?}");
        };
        near(&results.training[0].loss, &losses);
        near(values(results, "y"), &outputs_after);
        assert_eq!(results.training[0].samples, 4 * samples);
    }
}

/// A small step along the gradient lowers the loss by the rate times the gradient's square, which differences of losses tell.
#[test]
fn convolutions_and_pools_learn_along_their_gradient() {
    let (kernel, last) = (numbers(6, 2 * 3 * 3), numbers(7, 2 * 2 * 2 * 2));
    let x = numbers(8, 3 * 36);
    let network = |kernel: &[f64], last: &[f64]| {
        let window = |k: &[f64]| format!("[{}]", rows(k, 3));
        let kernels = format!("[{}]", kernel.chunks(9).map(window).collect::<Vec<_>>().join(", "));
        format!(
            "network n(x: real[36]) -> (y: real[2]) {{
                x |> reshape([1, 6, 6]) |> conv2d({kernels}) |> relu |> max_pool(2) |> flatten |> dense({}) -> y
            }}",
            rows(last, 8)
        )
    };
    let (shown, targets) = (rows(&x, 36), rows(&numbers(9, 6), 2));
    let loss = |kernel: &[f64], last: &[f64]| {
        let experiment = format!("experiment e {{ deploy n; test {{ x: {shown} }} measure m = mse(y, {targets}) }}");
        let text = format!("{}\n{experiment}", network(kernel, last));
        let results = run("loss", &text, &NoFiles, EngineKind::Interpreter);
        // Half the sum over two outputs, the mean over samples.
        results[0].metrics.iter().find(|(name, _)| name == "m").unwrap().1
    };
    let (mut square, step) = (0.0, 1e-5);
    for index in 0..kernel.len() + last.len() {
        let moved = |by: f64| {
            let (mut kernel, mut last) = (kernel.clone(), last.clone());
            match index.checked_sub(kernel.len()) {
                None => kernel[index] += by,
                Some(index) => last[index] += by,
            }
            loss(&kernel, &last)
        };
        square += ((moved(step) - moved(-step)) / (2.0 * step)).powi(2);
    }
    let rate = 1e-5;
    let learned = format!(
        "{}\nexperiment e {{ deploy n; train {{ x: {shown} }} expect y == {targets} by backprop(rate: {rate}, batch: 3, epochs: 2) }}",
        network(&kernel, &last)
    );
    for engine in ENGINES {
        let of_epochs = &run("learned", &learned, &NoFiles, engine)[0].training[0].loss;
        let (before, after) = (of_epochs[0], of_epochs[1]);
        assert!((before - loss(&kernel, &last)).abs() < 1e-6, "{before}");
        let fell = (before - after) / rate;
        assert!((fell / square - 1.0).abs() < 2e-3, "{fell} {square}");
    }
}

/// Padding of a pool holds copies of the image: an element's gradient is one all the same. Oracle: by hand, y = 3 w, loss y^2 / 2; and PyTorch's
/// gradients of two larger ones.
#[test]
fn what_a_pool_pads_is_learned_once() {
    for (image, pool, gradient) in [
        ("[[[[3]]]]", "max_pool(2, stride: 2, padding: 1)", 4.5),
        ("[[[[1, 2], [3, 4]]]]", "max_pool(2, stride: 1, padding: 1)", 45.5),
        ("[[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]]", "max_pool(3, stride: 2, padding: 1)", 103.0),
        ("[[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]]", "max_pool(2, stride: 1)", 103.0),
        ("[[[[2, 2], [2, 2]]]]", "max_pool(2)", 2.0),
    ] {
        let side = image.matches("], [").count() + 1;
        let windows = match (side, pool.contains("padding"), pool.contains("stride: 1")) {
            (1, ..) | (2, false, _) => 1,
            (2, true, _) => 9,
            (_, true, _) | (_, false, true) => 4,
            _ => unreachable!(),
        };
        let zeros = format!("[[{}]]", vec!["0"; windows].join(", "));
        let text = |train: &str| {
            format!(
                "network n(x: real[1, {side}, {side}]) -> (y: real[{windows}]) {{
                    x |> conv2d([[[[0.5]]]]) |> {pool} |> flatten -> y
                }}
                experiment e {{ deploy n; {train} test {{ x: {image} }} measure m = sum(y) }}"
            )
        };
        let train = format!("train {{ x: {image} }} expect y == {zeros} by backprop(rate: 1e-4);");
        let [a, b] = ENGINES.map(|engine| metric(&run("pool", &text(&train), &NoFiles, engine)[0], "m"));
        let before = metric(&run("pool", &text(""), &NoFiles, EngineKind::Jit)[0], "m");
        // The sum is w times that of the largest, 0.5 at first.
        let moved = (before - a) / (before / 0.5) / 1e-4;
        assert!((moved - gradient).abs() < 1e-6 * gradient && a == b, "{pool}: {moved}, not {gradient}");
    }
}

/// A chip with one sort of cell, everything else ideal.
fn chip(device: &str, weights: &str, net: &str, train: &str) -> String {
    format!(
        "device cell {{ conductance: 10 uS .. 20 uS; {device} }}
        unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
        tile array {{
            cells: cell[64, 129]; weights: {weights}; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 10 ns
            transposable: true; wire: ideal
        }}
        core cim {{ tiles: array[4]; units: logic; buffer: 64 kB }}
        chip board {{ cores: grid(2, 2) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }}
        {net}
        experiment e {{
            deploy n on board {{ calibrate: [[1, 1]] }}
            {train}
            test {{ x: [[1, 0]] }} measure first = max(y)
            test {{ x: [[0, 1]] }} measure second = max(y)
        }}"
    )
}

fn metric(results: &Results, name: &str) -> f64 {
    results.metrics.iter().find(|(known, _)| known == name).unwrap().1
}

/// Manhattan's rule gives every cell a pulse of a known sign: what is left to a bound shrinks by the same share each time.
#[test]
fn pulses_move_cells_as_their_equations_say() {
    let soft = "potentiation: 0.02 * (g_max - g); depression: 0.05 * (g - g_min); pulse_energy: 2 pJ";
    let net = "network n(x: real[2]) -> (y: real[1]) { x |> dense([[0, 0]], within: 1) -> y }";
    let train = "train { x: [[1, -1]] } expect y == [[100]] by manhattan(rate: 1, epochs: 30)";
    for engine in ENGINES {
        // From the middle of the range: up for the first weight, down for the second.
        let results = &run("reference", &chip(soft, "reference", net, train), &NoFiles, engine)[0];
        let (up, down) = (1.0 - 0.98_f64.powi(30), 0.95_f64.powi(30) - 1.0);
        assert!((metric(results, "first") - up).abs() < 1e-6, "{} {up}", metric(results, "first"));
        assert!((metric(results, "second") - down).abs() < 1e-6, "{} {down}", metric(results, "second"));
        assert_eq!(results.training[0].pulses, 60);
        let joules = &results.training[0].energy_j;
        let pulses = joules.iter().find(|(kind, _)| *kind == nmc_program::ComponentKind::Programming).unwrap().1;
        assert!((pulses - 120e-12).abs() < 1e-18, "{joules:?}");
        // Of a pair the one cell rises from the bottom, the other stays there.
        let results = &run("pair", &chip(soft, "differential", net, train), &NoFiles, engine)[0];
        assert!((metric(results, "first") - up).abs() < 1e-6, "{}", metric(results, "first"));
        assert!((metric(results, "second") + up).abs() < 1e-6, "{}", metric(results, "second"));
    }
}

/// Thirty pulses up from 15 uS, each across what the last one left: V2 g t, added up here.
#[test]
fn pulses_of_training_take_what_voltage_and_width_say() {
    let soft = "potentiation: 0.02 * (g_max - g); depression: 0.05 * (g - g_min)
        pulse_voltage: 3 V; programming: one_shot(pulse_time: 50 ns)";
    let net = "network n(x: real[2]) -> (y: real[1]) { x |> dense([[0, 0]], within: 1) -> y }";
    let train = "train { x: [[1, 0]] } expect y == [[100]] by manhattan(rate: 1, epochs: 30)";
    let wanted: f64 = (0..30).map(|pulse| 1e-6 * (20.0 - 5.0 * 0.98_f64.powi(pulse)) * 9.0 * 50e-9).sum();
    for engine in ENGINES {
        let results = &run("joules", &chip(soft, "reference", net, train), &NoFiles, engine)[0];
        assert_eq!(results.training[0].pulses, 30);
        let joules = &results.training[0].energy_j;
        let pulses = joules.iter().find(|(kind, _)| *kind == nmc_program::ComponentKind::Programming).unwrap().1;
        assert!((pulses / wanted - 1.0).abs() < 1e-9, "{pulses} {wanted}");
    }
}

/// Steps are rounded to whole pulses, or what is left is kept until it makes one.
#[test]
fn what_is_less_than_a_pulse_is_rounded_or_kept() {
    // Half the range is a weight of 1: a pulse of 0.05 uS moves it by 0.01.
    let steps = "potentiation: 0.05 uS; depression: 0.05 uS";
    let net = "network n(x: real[2]) -> (y: real[1]) { x |> dense([[0, 0]], within: 1) -> y }";
    let train = |by: &str| format!("train {{ x: [[1, 0]] }} expect y == [[1]] by {by}");
    let learned = |by: &str| {
        metric(&run("kept", &chip(steps, "reference", net, &train(by)), &NoFiles, EngineKind::Jit)[0], "first")
    };
    // 0.1 of what is missing, which is 1 at first.
    assert!((learned("backprop(rate: 0.1, pulses: nearest(100))") - 0.1).abs() < 1e-6);
    assert!((learned("backprop(rate: 0.1, pulses: nearest(3))") - 0.03).abs() < 1e-6);
    assert!(learned("backprop(rate: 0.004, pulses: nearest(100), epochs: 2)").abs() < 1e-6);
    assert!((learned("mixed_precision(rate: 0.006, epochs: 2)") - 0.01).abs() < 1e-6);
}

/// Trains of pulses move weights by what the gradient says on average, and each pulse has its own noise.
#[test]
fn trains_of_pulses_move_weights_by_the_gradient_on_average() {
    let noisy = "potentiation: 0.01 uS; depression: 0.01 uS; noise pulse: normal(0, 50 % of step)";
    let zeros = rows(&vec![0.0; 120 * 2], 2);
    let net = format!("network n(x: real[2]) -> (y: real[120]) {{ x |> dense({zeros}, within: 1) -> y }}");
    let targets = rows(&vec![1.0; 120], 120);
    let train =
        format!("train {{ x: [[1, 0.5]] }} expect y == {targets} by backprop(rate: 0.04, pulses: stochastic(31))");
    let results = &run("trains", &chip(noisy, "reference", &net, &train), &NoFiles, EngineKind::Jit)[0];
    let y = values(results, "y");
    let (first, second) = y.split_at(120);
    let mean = |y: &[f64]| y.iter().sum::<f64>() / y.len() as f64;
    let spread = |y: &[f64]| (y.iter().map(|v| (v - mean(y)).powi(2)).sum::<f64>() / y.len() as f64).sqrt();
    // 20 pulses of 0.002 in 20 slots: rows and columns are always on, so only the noise of pulses is left.
    assert!((mean(first) - 0.04).abs() < 0.001, "{}", mean(first));
    assert!((spread(first) / (0.001 * 20_f64.sqrt()) - 1.0).abs() < 0.25, "{}", spread(first));
    // The second row is on in half of the slots, the same for all columns.
    assert!((mean(second) - 0.02).abs() < 0.012, "{}", mean(second));
}

/// Cells that are stuck do not move.
#[test]
fn stuck_cells_stay() {
    let stuck = "faults: [stuck_off(100 %)]; potentiation: 0.1 uS; depression: 0.1 uS";
    let net = "network n(x: real[2]) -> (y: real[1]) { x |> dense([[0, 0]], within: 1) -> y }";
    let train = "train { x: [[1, 1]] } expect y == [[1]] by backprop(rate: 0.5, epochs: 5)";
    let results = &run("stuck", &chip(stuck, "differential", net, train), &NoFiles, EngineKind::Jit)[0];
    assert!(metric(results, "first").abs() < 1e-9 && metric(results, "second").abs() < 1e-9);
}

#[test]
fn what_cannot_be_learned_is_told() {
    let with = |train: &str| {
        format!(
            "network n(x: real[2]) -> (y: real[2]) {{ x |> dense(3, bias: true) |> relu |> dense(2) -> y }}
            experiment e {{ deploy n; {train} }}"
        )
    };
    let shown = "train { x: [[1, 0], [0, 1]] } expect argmax(y) == [0, 1]";
    assert!(codes(&with(&format!("{shown} by backprop(rate: 0.1)"))).is_empty());
    for (train, code) in [
        (format!("{shown} by backprop(rate: 0)"), "E0306"),
        (format!("{shown} by backprop(batch: 2)"), "E0415"),
        (format!("{shown} by hope(rate: 1)"), "E0415"),
        (format!("{shown} by backprop(rate: 1, speed: 2)"), "E0206"),
        (format!("{shown} by backprop(rate: 1, layers: [relu_1])"), "E0415"),
        (String::from("test { x: [[1, 0]] } measure m = mean(y)"), "E0415"),
        (format!("{} by backprop(rate: 1)", shown.replace("train", "test")), "E0415"),
    ] {
        assert!(codes(&with(&train)).contains(&code), "{train}: {:?}", codes(&with(&train)));
    }
    let net = "network n(x: real[2]) -> (y: real[2]) { x |> dense(2) -> y }";
    let noisy = format!("{shown} by backprop(rate: 1, weight_noise: 5 %)");
    let in_cells = chip("potentiation: 1 uS; depression: 1 uS", "differential", net, &noisy);
    assert!(codes(&in_cells).contains(&"E0619"), "{:?}", codes(&in_cells));
}

/// The weights of a layer after training.
fn learned<'r>(results: &'r Results, name: &str) -> (&'r [usize], Vec<f64>) {
    let tensor = results.learned.iter().find(|tensor| tensor.name == name).unwrap();
    (&tensor.shape, (0..tensor.data.len()).map(|index| tensor.data.get(index)).collect())
}

/// One step of a linear layer by a rate of 0.5. Oracle: analytic.
#[test]
fn learned_weights_are_told() {
    let text =
        "network n(x: real[3]) -> (y: real[2]) { only = x |> dense([[1, 2, 3], [0, 1, 0]], bias: [1, 0]); only -> y }
        experiment e { deploy n; train { x: [[1, 0, 2]] } expect y == [[6, 1]] by backprop(rate: 0.5) }";
    for engine in ENGINES {
        let results = &run("told.nmc", text, &NoFiles, engine)[0];
        // It gives [8, 0]: errors of 2 and -1.
        assert_eq!(learned(results, "only.weight"), (&[2, 3][..], vec![0.0, 2.0, 1.0, 0.5, 1.0, 1.0]));
        assert_eq!(learned(results, "only.bias"), (&[2][..], vec![0.0, 0.5]));
    }
}

/// The first of two linear layers changes by the same outer product of its input and something linear in the error, whatever the second is.
/// Oracle: analytic; by backpropagation it would follow the second layer.
#[test]
fn direct_feedback_does_not_look_at_the_weights_behind() {
    let (w, x) = (numbers(1, 12), [0.5, -1.0, 2.0]);
    let change = |v: &[f64], error: &[f64], rule: &str| {
        let y = product(v, &product(&w, &x));
        let target: Vec<f64> = y.iter().zip(error).map(|(y, error)| y - error).collect();
        let text = format!(
            "network n(x: real[3]) -> (y: real[2]) {{ first = x |> dense({}); first |> dense({}) -> y }}
            experiment e {{ deploy n; train {{ x: {} }} expect y == {} by {rule}(rate: 1) }}",
            rows(&w, 3),
            rows(v, 4),
            rows(&x, 3),
            rows(&target, 2)
        );
        let results = &run("feedback.nmc", &text, &NoFiles, EngineKind::Jit)[0];
        let (_, weights) = learned(results, "first.weight");
        weights.iter().zip(&w).map(|(new, old)| new - old).collect::<Vec<f64>>()
    };
    let same = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-12);
    let (v, other) = (numbers(2, 8), numbers(3, 8));
    let (one, two) = ([1.0, -0.5], [0.25, 1.0]);
    let direct = |v: &[f64], error: &[f64]| change(v, error, "direct_feedback_alignment");
    let first = direct(&v, &one);
    assert!(first.iter().all(|change| change.abs() > 1e-3) && same(&first, &direct(&other, &one)));
    assert!(!same(&change(&v, &one, "backprop"), &change(&other, &one, "backprop")));
    // Linear in the error, and of rank one.
    let sum: Vec<f64> = first.iter().zip(direct(&v, &two)).map(|(a, b)| a + b).collect();
    assert!(same(&sum, &direct(&v, &[1.25, 0.5])));
    assert!(first.chunks(3).all(|row| (0..3).all(|i| (row[i] * x[0] - row[0] * x[i]).abs() <= 1e-12)));
}

/// A loss that is noise of the weights alone: half its variance times the square of the input. Oracle: analytic, five sigma of 4,000 presentations.
#[test]
fn noise_of_weights_is_that_of_the_largest() {
    let text = "network n(x: real[2]) -> (y: real) { only = x |> dense([[-2, 1]]); only -> y }
        experiment e { deploy n; train { x: [[1, 3]] } expect y == [[1]] by backprop(rate: 1e-30, epochs: 4000, weight_noise: 5 %) }";
    let results = &run("noise.nmc", text, &NoFiles, EngineKind::Jit)[0];
    let mean = results.training[0].loss.iter().sum::<f64>() / 4000.0;
    let expected = 0.5 * (0.05_f64 * 2.0).powi(2) * 10.0;
    assert!((mean / expected - 1.0).abs() <= 5.0 * (2.0_f64 / 4000.0).sqrt(), "{mean} {expected}");
    assert_eq!(learned(results, "only.weight").1, [-2.0, 1.0]);
}

/// Windows with random weights learn: more groups, fewer weights. Oracle: analytic.
#[test]
fn convolutions_start_at_random() {
    let text = "network n(x: real[2, 5, 5]) -> (y: real[2]) {
            one = x |> conv2d(4, window: 3, bias: true)
            two = one |> relu |> conv2d(4, window: 2, groups: 2)
            two |> flatten |> dense(2, bias: true) -> y
        }
        experiment e { deploy n; train { x: [X, Y] } expect argmax(y) == [0, 1] by backprop(rate: 0.1, epochs: 40) }";
    let image = |seed| {
        let channels = numbers(seed, 50).chunks(25).map(|channel| rows(channel, 5)).collect::<Vec<_>>();
        format!("[{}]", channels.join(", "))
    };
    let text = text.replace('X', &image(1)).replace('Y', &image(2));
    let results = &run("started.nmc", &text, &NoFiles, EngineKind::Jit)[0];
    let loss = &results.training[0].loss;
    assert!(loss[39] < 0.1 * loss[0], "{loss:?}");
    let (shape, weights) = learned(results, "one.weight");
    assert_eq!(shape, [4, 2, 3, 3]);
    assert!(weights.iter().all(|weight| weight.abs() < 1.0));
    let of_groups: Vec<_> = results.learned.iter().filter(|tensor| tensor.shape == [2, 2, 2, 2]).collect();
    assert_eq!(of_groups.len(), 2);
}

/// A fit to labels is a fit to 1 at the label and 0 elsewhere. Oracle: cross.
#[test]
fn labels_are_fitted_as_numbers() {
    let text = "network n(x: real[2]) -> (y: real[3]) { x |> dense(3, fit: ridge(0.1), bias: true) -> y }
        experiment e { deploy n; train { x: [[1, 0], [0, 2], [3, 1], [1, 1]] } expect WHAT; test { x: [[1, 0], [0, 2]] } measure m = mean(y) }";
    let outputs = |what: &str| {
        let results = run("labels.nmc", &text.replace("WHAT", what), &NoFiles, EngineKind::Jit);
        values(&results[0], "y").to_vec()
    };
    let numbers = outputs("y == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]");
    assert_eq!(outputs("argmax(y) == [0, 2, 1, 0]"), numbers);
    assert!(numbers[0] > 0.3);
}

/// Converters on the way back have their ranges before the first batch: hidden layers learn from it. Oracle: numbers in place of cells.
#[test]
fn hidden_layers_learn_from_the_first_batch() {
    let losses = |on: &str| {
        let text = format!(
            "device cell {{ conductance: 0 uS .. 40 uS; potentiation: 0.02 uS; depression: 0.02 uS }}
            converter dac(): bits(16) -> voltage {{ energy: 1 pJ; area: 10 um2; time: 1 ns }}
            converter adc(): current -> bits(16) {{ energy: 2 pJ; area: 100 um2; time: 10 ns }}
            unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 10 um2; time: 1 ns }}
            tile array {{
                cells: cell[8, 8]; weights: differential; input: dac; sense: adc; read_voltage: 0.2 V; read_time: 10 ns
                transposable: true; wire: ideal
            }}
            core cim {{ tiles: array[3]; units: logic; buffer: 1 kB }}
            chip board {{ cores: grid(1, 1) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }}
            network n(x: real[1]) -> (y: real[1]) {{
                x |> dense([[0.8], [0.5]]) |> dense([[0.9, 0.6], [0.3, -0.4]]) |> dense([[0.7, 0.2]]) -> y
            }}
            experiment e {{
                deploy n{on}
                train {{ x: [[1]] }} expect y == [[0]] by backprop(rate: 0.02, epochs: 4, pulses: nearest(63))
                test {{ x: [[1]] }} measure m = mean(y)
            }}"
        );
        run("first.nmc", &text, &NoFiles, EngineKind::Jit)[0].training[0].loss.clone()
    };
    let (cells, exact) = (losses(" on board"), losses(""));
    assert_eq!(cells.len(), 4);
    assert!(exact[1] < 0.98 * exact[0], "{exact:?}");
    cells.iter().zip(&exact).for_each(|(cell, exact)| assert!((cell - exact).abs() < 2e-3, "{cells:?}, not {exact}"));
}

//! Convolution, pooling and delays give what plain loops give, on both engines.

use std::sync::Arc;

use nmc_compiler::files::{DataFile, FileProblem, Files};
use nmc_program::{Tensor, TensorData};
use nmc_tests::{ENGINES, codes, run, values};

/// Numbers of both signs that follow no pattern.
fn numbers(seed: usize, len: usize) -> Vec<f64> {
    (0..len).map(|n| ((seed * 1000 + n * n + 3 * n) as f64 * 12.9898).sin()).collect()
}

struct Data(Vec<(&'static str, Vec<usize>, Vec<f64>)>);

impl Files for Data {
    fn module(&self, _path: &[String]) -> Option<Result<String, String>> {
        None
    }

    fn data(&self, _path: &str) -> Result<Arc<DataFile>, FileProblem> {
        let arrays = self.0.iter().map(|(name, shape, values)| {
            let name = name.to_string();
            (name.clone(), Tensor { name, shape: shape.clone(), data: TensorData::F64(values.clone()) })
        });
        Ok(Arc::new(DataFile::of(arrays)))
    }
}

#[derive(Debug, Clone, Copy)]
struct Case {
    channels: usize,
    size: (usize, usize),
    outputs: usize,
    kernel: (usize, usize),
    /// Along rows and along columns.
    stride: (usize, usize),
    /// Before and after.
    padding: [(usize, usize); 2],
    dilation: (usize, usize),
    groups: usize,
}

/// One sample's convolution [outputs, rows, columns], window by window.
fn convolved(case: Case, x: &[f64], weights: &[f64], bias: &[f64]) -> Vec<f64> {
    let [above, left] = case.padding;
    let rows = (case.size.0 + above.0 + above.1 - case.dilation.0 * (case.kernel.0 - 1) - 1) / case.stride.0 + 1;
    let columns = (case.size.1 + left.0 + left.1 - case.dilation.1 * (case.kernel.1 - 1) - 1) / case.stride.1 + 1;
    let of_group = case.channels / case.groups;
    let mut y = Vec::new();
    for (output, bias) in bias.iter().enumerate() {
        let first = output / (case.outputs / case.groups) * of_group;
        for row in 0..rows {
            for column in 0..columns {
                let mut sum = *bias;
                for channel in 0..of_group {
                    for a in 0..case.kernel.0 {
                        for b in 0..case.kernel.1 {
                            let r = (row * case.stride.0 + a * case.dilation.0).checked_sub(above.0);
                            let c = (column * case.stride.1 + b * case.dilation.1).checked_sub(left.0);
                            let (Some(r), Some(c)) = (r, c) else { continue };
                            if r < case.size.0 && c < case.size.1 {
                                let weight = ((output * of_group + channel) * case.kernel.0 + a) * case.kernel.1 + b;
                                sum += weights[weight] * x[((first + channel) * case.size.0 + r) * case.size.1 + c];
                            }
                        }
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

#[track_caller]
fn near(given: &[f64], expected: &[f64]) {
    assert_eq!(given.len(), expected.len());
    for (a, b) in given.iter().zip(expected) {
        assert!((a - b).abs() < 1e-12 * b.abs().max(1.0), "{a} is not {b}");
    }
}

#[test]
fn convolutions_are_sums_over_windows() {
    let plain = Case {
        channels: 1,
        size: (6, 5),
        outputs: 3,
        kernel: (3, 3),
        stride: (1, 1),
        padding: [(0, 0); 2],
        dilation: (1, 1),
        groups: 1,
    };
    let cases = [
        (plain, "stride: 1"),
        (Case { channels: 3, padding: [(1, 1); 2], ..plain }, "padding: 1"),
        (Case { channels: 2, kernel: (2, 3), stride: (2, 2), padding: [(2, 2); 2], ..plain }, "stride: 2, padding: 2"),
        (
            Case { channels: 4, size: (9, 8), outputs: 6, dilation: (2, 2), groups: 2, ..plain },
            "dilation: 2, groups: 2",
        ),
        (
            Case { channels: 4, outputs: 4, kernel: (3, 1), groups: 4, padding: [(1, 1); 2], stride: (3, 3), ..plain },
            "groups: 4, padding: (1, 1), stride: 3",
        ),
        (Case { kernel: (6, 5), ..plain }, "padding: 0"),
        (
            Case { stride: (2, 1), padding: [(1, 1), (2, 2)], dilation: (1, 2), ..plain },
            "stride: (2, 1), padding: (1, 2), dilation: (1, 2)",
        ),
        (
            Case { channels: 2, stride: (1, 3), padding: [(0, 2), (3, 1)], ..plain },
            "stride: (1, 3), padding: (0, 2, 3, 1)",
        ),
    ];
    for (case, how) in cases {
        let (samples, len) = (3, case.channels * case.size.0 * case.size.1);
        let x = numbers(1, samples * len);
        let shape = vec![case.outputs, case.channels / case.groups, case.kernel.0, case.kernel.1];
        let (weights, bias) = (numbers(2, shape.iter().product()), numbers(3, case.outputs));
        let each = x.chunks(len).map(|x| convolved(case, x, &weights, &bias));
        let expected: Vec<f64> = each.flatten().collect();
        let (rows, columns) = case.size;
        let image = format!("{}, {rows}, {columns}", case.channels);
        let count = expected.len() / samples;
        let text = format!(
            "network n(x: real[{image}]) -> (y: real[{count}]) {{
                d = load(\"d.npz\")
                x |> conv2d(d.w, bias: d.b, {how})
                  |> flatten -> y
            }}
            experiment e {{
                deploy n
                data d = load(\"d.npz\")
                test {{ x: d.x }} measure m = mean(y)
            }}"
        );
        let files = Data(vec![
            ("x", vec![samples, case.channels, rows, columns], x),
            ("w", shape, weights),
            ("b", vec![case.outputs], bias),
        ]);
        for engine in ENGINES {
            near(values(&run("conv", &text, &files, engine)[0], "y"), &expected);
        }
    }
}

#[test]
fn pools_take_the_largest_or_the_mean_of_each_window() {
    let (size, samples) = ((7, 5), 2);
    // Along rows and along columns; pads before and after.
    type Laid = ([usize; 2], [usize; 2], [[usize; 2]; 2], &'static str);
    let cases: [Laid; 7] = [
        ([2, 2], [2, 2], [[0; 2]; 2], "2"),
        ([3, 3], [1, 1], [[0; 2]; 2], "3, stride: 1"),
        ([2, 2], [3, 3], [[0; 2]; 2], "2, stride: 3, padding: 0"),
        ([3, 3], [2, 2], [[1; 2]; 2], "3, stride: 2, padding: 1"),
        ([3, 3], [1, 1], [[2; 2]; 2], "3, stride: 1, padding: 2"),
        ([2, 3], [2, 3], [[1, 1], [0, 0]], "(2, 3), padding: (1, 0)"),
        ([3, 2], [2, 1], [[0, 2], [1, 0]], "(3, 2), stride: (2, 1), padding: (0, 2, 1, 0)"),
    ];
    for (kernel, stride, padding, how) in cases {
        let x = numbers(4, samples * 3 * size.0 * size.1);
        let count =
            |axis: usize, size: usize| (size + padding[axis][0] + padding[axis][1] - kernel[axis]) / stride[axis] + 1;
        let (rows, columns) = (count(0, size.0), count(1, size.1));
        let (mut largest, mut means) = (Vec::new(), Vec::new());
        for image in x.chunks(size.0 * size.1) {
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                // Padding is never the largest, and counts as zeros in a mean.
                let at = |n: usize| {
                    let row = (row * stride[0] + n / kernel[1]).checked_sub(padding[0][0])?;
                    let column = (column * stride[1] + n % kernel[1]).checked_sub(padding[1][0])?;
                    (row < size.0 && column < size.1).then(|| image[row * size.1 + column])
                };
                let window: Vec<f64> = (0..kernel[0] * kernel[1]).filter_map(at).collect();
                largest.push(window.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                means.push(window.iter().sum::<f64>() / (kernel[0] * kernel[1]) as f64);
            }
        }
        let count = 3 * rows * columns;
        let text = format!(
            "network n(x: real[3, 7, 5]) -> (y: real[{count}], z: real[{count}]) {{
                x |> max_pool({how}) |> flatten -> y
                x |> average_pool({how}) |> flatten -> z
            }}
            experiment e {{ deploy n; data d = load(\"d.npz\"); test {{ x: d.x }} measure m = mean(y) }}"
        );
        let files = Data(vec![("x", vec![samples, 3, 7, 5], x)]);
        for engine in ENGINES {
            let results = run("pool", &text, &files, engine);
            near(values(&results[0], "y"), &largest);
            near(values(&results[0], "z"), &means);
        }
    }
}

/// What is wrong is told before anything runs.
#[test]
fn convolutions_that_cannot_be_are_told() {
    let with = |layer: &str| {
        format!(
            "
            network n(x: real[1, 4, 4]) -> (y: real[4]) {{ x |> {layer} |> flatten -> y }}
            experiment e {{ deploy n; test {{ x: [[[[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]]]] }} measure m = mean(y) }}"
        )
    };
    let weights = "[[[[1, 0], [0, 1]]]]";
    assert_eq!(codes(&with(&format!("conv2d({weights}, stride: 2)"))), Vec::<&str>::new());
    assert_eq!(codes(&with(&format!("conv2d({weights}, strde: 2)"))), ["E0206"]);
    assert_eq!(codes(&with("conv2d(stride: 2)")), ["E0207"]);
    assert_eq!(codes(&with(&format!("conv2d({weights}, groups: 2)"))), ["E0308"]);
    assert_eq!(codes(&with(&format!("conv2d({weights}, stride: 0)"))), ["E0303"]);
    assert_eq!(codes(&with(&format!("conv2d({weights}, dilation: 9)"))), ["E0303"]);
    assert_eq!(codes(&with("max_pool(5)")), ["E0303"]);
    assert_eq!(codes(&with("flatten |> max_pool(2)")), ["E0303"]);
    assert_eq!(codes(&with("max_pool(2, padding: 2)")), ["E0303"]);
    assert_eq!(codes(&with("max_pool((3, 2), padding: (2, 2))")), ["E0303"]);
    assert_eq!(codes(&with(&format!("conv2d({weights}, stride: (2, 2), padding: (0, 0, 0, 0))"))), [""; 0]);
    assert_eq!(codes(&with(&format!("conv2d({weights}, stride: (2, 1, 1))"))), ["E0305"]);
    assert_eq!(codes(&with(&format!("conv2d({weights}, padding: (1, 1, 1))"))), ["E0305"]);
}

/// Signals are joined to a vector; a number among them is no axis.
#[test]
fn what_is_joined_has_no_axis() {
    let of = |join: &str| {
        let text = format!(
            "network n(a: real[2], b: real[2]) -> (y: real[4]) {{ {join} -> y }}
            experiment e {{ deploy n; test {{ a: [[1, 2]], b: [[3, 4]] }} measure m = mean(y) }}"
        );
        nmc_tests::told(&text)
    };
    assert!(of("concat(a, b)").is_empty());
    for join in ["concat(a, b, 1)", "concat(a, b, axis: 0)"] {
        let found = of(join);
        assert_eq!(found[0].code.number(), "E0305");
        assert!(found[0].message.contains("no axis"), "{}", found[0].message);
    }
}

/// A filter over three samples, a difference of what was computed, and a fit of what comes next.
#[test]
fn a_delay_gives_the_sample_before() {
    let text = "network filter(x: real[2]) -> (y: real[2], z: real[2], next: real[2]) {
        x * 0.5 + (x |> delay) * 0.25 - (x |> delay(2)) -> y
        squared = x * x
        squared - (squared |> delay) -> z
        concat(x, x |> delay) |> dense(2, fit: ridge(0)) -> next
    }
    experiment e {
        deploy filter
        data d = load(\"d.npz\")
        train sequence { x: d.x[0..40], skip: 1 } expect next == d.x[1..41]
        test sequence { x: d.x[0..30] } measure m = mean(y)
        test sequence { x: d.x[30..60] } measure n = nrmse(next, d.x[31..61])
        test sequence { x: d.x[0..5], restart: true } measure o = mean(y)
    }";
    // Two elements that turn by different angles: each follows from the last two.
    let x: Vec<f64> = (0..61).flat_map(|t| [(0.7 * f64::from(t)).sin(), (0.3 * f64::from(t)).cos()]).collect();
    let at = |sample: i32, from: i32, element: usize| {
        if sample < from { 0.0 } else { x[2 * sample as usize + element] }
    };
    let wanted = |start: i32, samples: std::ops::Range<i32>| -> (Vec<f64>, Vec<f64>) {
        let each = samples.flat_map(|t| [(t, 0), (t, 1)]);
        each.map(|(t, e)| {
            let (now, one, two) = (at(t, start, e), at(t - 1, start, e), at(t - 2, start, e));
            (0.5 * now + 0.25 * one - two, now * now - one * one)
        })
        .unzip()
    };
    // Sequences go on from one another until one starts afresh.
    for engine in ENGINES {
        let results = run("delay", text, &Data(vec![("x", vec![61, 2], x.clone())]), engine);
        let (y, z) = (values(&results[0], "y"), values(&results[0], "z"));
        let (afresh, squares) = wanted(0, 0..5);
        near(&y[y.len() - 10..], &afresh);
        near(&z[z.len() - 10..], &squares);
        let (later, _) = wanted(0, 32..60);
        near(&y[2 * 32..2 * 60], &later);
        let error = results[0].metrics.iter().find(|metric| metric.0 == "n").unwrap().1;
        assert!(error < 1e-9, "{error}");
    }
}

/// Delays are from sample to sample of a sequence, on ideal hardware so far.
#[test]
fn delays_that_cannot_be_are_told() {
    let with = |body: &str, deploy: &str, test: &str| {
        format!(
            "use std.chip.stack
            use std.neuron.lif
            network n(x: real[4]) -> (y: real[4]) {{ {body} -> y }}
            experiment e {{ deploy n{deploy}; {test} {{ x: [[1, 2, 3, 4], [1, 2, 3, 4]] }} for 1 ms measure m = mean(y) }}"
        )
    };
    let told = |body, deploy, test| {
        codes(&with(body, deploy, test)).into_iter().filter(|code| code.starts_with('E')).collect::<Vec<_>>()
    };
    assert_eq!(told("x |> delay(2)", "", "test sequence"), Vec::<&str>::new());
    assert_eq!(told("x |> delay", "", "test"), ["E0430"]);
    assert_eq!(told("x |> delay(0)", "", "test sequence"), ["E0303"]);
    assert_eq!(told("x |> delay(samples: 2)", "", "test sequence"), ["E0206"]);
    assert_eq!(told("x |> delay(20000)", "", "test sequence"), ["E0306"]);
    assert_eq!(told("x |> delay", " on stack", "test sequence"), ["E0402"]);
    let moving = "population p: lif[4]; x |> scale(1 nA) -> p.i; p.v |> scale(1 / 1 mV) |> delay";
    assert_eq!(told(moving, " { step: 0.1 ms }", "test sequence"), ["E0402"]);
}

/// Powers of e over their sum, whatever is added to all; on a chip its unit makes them. Oracle: the definition.
#[test]
fn softmax_gives_shares() {
    let (x, files) = (
        [0.5, -1.0, 2.0, 0.25],
        Data(vec![("x", vec![2, 4], vec![0.5, -1.0, 2.0, 0.25, 800.5, 799.0, 802.0, 800.25])]),
    );
    let sum: f64 = x.iter().map(|x| f64::exp(*x)).sum();
    let shares: Vec<f64> = x.iter().map(|x| f64::exp(*x) / sum).collect();
    let text = "use std.chip.stack
        network n(x: real[4]) -> (y: real[4]) { x |> softmax -> y }
        experiment e { deploy n; data d = load(\"d.npz\"); test { x: d.x } measure m = mean(y) }
        experiment on_a_chip { deploy n on stack; data d = load(\"d.npz\"); test { x: d.x } measure m = mean(y) }";
    for engine in ENGINES {
        for results in run("softmax", text, &files, engine) {
            near(values(&results, "y"), &[&shares[..], &shares].concat());
        }
    }
    let with = |layer: &str| {
        let body = format!("network n(x: real[2, 2]) -> (y: real[4]) {{ x |> {layer} -> y }}");
        codes(&format!("{body}\nexperiment e {{ deploy n; test {{ x: [[[1, 2], [3, 4]]] }} measure m = mean(y) }}"))
    };
    assert_eq!(with("softmax |> flatten"), ["E0303"]);
    assert_eq!(with("flatten |> softmax(2)"), ["E0206"]);
}

/// Reads of one array, one after the other in a sample, have noise of their own: at the positions of a convolution, and bit by bit. Oracle:
/// each has the variance of its cells, and a mean of independent reads that divided by their number.
#[test]
fn reads_one_after_the_other_have_noise_of_their_own() {
    let program = |layer: &str, input: &str, shape: &str, outputs: usize| {
        format!(
            "device cell {{ conductance: 0 uS .. 100 uS; levels: ideal; noise read: normal(0, 2 % of range) }}
            converter dac(bits: int = 1): bits(bits) -> voltage {{ energy: 1 pJ; time: 1 ns }}
            unit logic: bits(32) -> bits(32) {{ implements: any; energy: 1 pJ; time: 1 ns }}
            tile array {{ cells: cell[4, 8]; weights: differential; input: {input}; sense: ideal; read_voltage: 0.2 V; read_time: 1 ns; wire: ideal }}
            core one {{ tiles: array[1]; units: logic }}
            chip made {{ cores: grid(1, 1) of one; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0 pJ per bit) }}
            network n(x: real{shape}) -> (y: real[{outputs}]) {{ x |> {layer} |> flatten -> y }}
            experiment e {{ deploy n on made {{ calibrate: d.x }}; data d = load(\"d.npz\"); test {{ x: d.x }} measure m = mean(y) }}"
        )
    };
    let (samples, sigma) = (4000, 0.02 * f64::sqrt(2.0));
    let moments = |y: &[f64], width: usize, a: usize, b: usize| {
        let of = |at: usize| y.chunks(width).map(move |row| row[at]).collect::<Vec<f64>>();
        let (a, b) = (of(a), of(b));
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (m, n) = (mean(&a), mean(&b));
        a.iter().zip(&b).map(|(a, b)| (a - m) * (b - n)).sum::<f64>() / a.len() as f64
    };
    // Six positions see the same input of 1.
    let files = Data(vec![("x", vec![samples, 1, 2, 3], vec![1.0; samples * 6])]);
    let text = program("conv2d([[[[0.5]]]])", "ideal", "[1, 2, 3]", 6);
    for engine in ENGINES {
        let results = run("positions", &text, &files, engine);
        let y = values(&results[0], "y");
        let relative = |a: usize, b: usize| moments(y, 6, a, b) / (sigma * 0.5).powi(2);
        assert!((relative(2, 2) - 1.0).abs() < 5.0 * f64::sqrt(2.0 / samples as f64), "{}", relative(2, 2));
        assert!([(0, 1), (1, 4), (2, 5)].iter().all(|&(a, b)| relative(a, b).abs() < 5.0 / f64::sqrt(samples as f64)));
    }
    // All bits of the largest code are 1: the noise of each has its place value.
    let files = Data(vec![("x", vec![samples, 1], vec![1.0; samples])]);
    let text = program("dense([[0.5]])", "bit_serial(dac(bits: 1), bits: 4)", "[1]", 1);
    let results = run("bits", &text, &files, ENGINES[1]);
    let places: f64 = (0..4).map(|bit| (f64::powi(2.0, bit) / 15.0).powi(2)).sum();
    let found = moments(values(&results[0], "y"), 1, 0, 0) / ((sigma * 0.5).powi(2) * places);
    assert!((found - 1.0).abs() < 5.0 * f64::sqrt(2.0 / samples as f64), "{found}");
}

/// Axes of 1 are repeated in arithmetic, on either side, on chips, too. Oracle: by hand.
#[test]
fn axes_of_one_are_repeated() {
    let text = |to: &str, shown: &str| {
        format!(
            "use std.chip.crossbars48_ideal
network n(x: real[2, 3], rows: real[2, 1], columns: real[1, 3]) -> (y: real[2, 3], z: real[2, 3]) {{
    x * rows + columns -> y
    columns - rows -> z
}}
experiment e {{
    deploy n{to}
    test {{ x: [[[1, 2, 3], [4, 5, 6]]], rows: [[[2], [-1]]], columns: {shown} }} measure m = mean(y)
}}"
        )
    };
    let shown = "[[[10, 20, 30]]]";
    for to in ["", " on crossbars48_ideal"] {
        for engine in ENGINES {
            let found = &run("repeated", &text(to, shown), &Data(Vec::new()), engine)[0];
            let near = |name: &str, wanted: [f64; 6]| {
                let found = values(found, name);
                assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-5 * b.abs()), "{to}: {found:?}");
            };
            near("y", [12.0, 24.0, 36.0, 6.0, 15.0, 24.0]);
            near("z", [8.0, 18.0, 28.0, 11.0, 21.0, 31.0]);
        }
    }
    let wrong = text("", shown).replace("columns: real[1, 3]", "columns: real[1, 2]").replace(", 30", "");
    assert_eq!(codes(&wrong.replace("use std.chip.crossbars48_ideal", "")), ["E0303", "E0303"]);
}

/// Oracle: the elements sorted, those that are equal in their order.
#[test]
fn the_largest_win_and_of_equal_ones_the_first() {
    let samples: Vec<Vec<f64>> = (0..40)
        .map(|s| numbers(s, 7).iter().map(|x| (2.0 * x).round() / if s % 2 == 0 { 1.0 } else { 3.0 }).collect())
        .collect();
    for (winners, args) in [(1, ""), (1, "(1)"), (3, "(3)"), (6, "(6)")] {
        for to in ["", " on crossbars48_ideal"] {
            let text = format!(
                "use std.chip.crossbars48_ideal
network n(x: real[7]) -> (y: real[7], kept: real[7]) {{
    won = x |> winner_take_all{args}
    won -> y
    x * won -> kept
}}
experiment e {{ deploy n{to}; test {{ x: {samples:?} }} measure m = mean(y) }}"
            );
            for engine in ENGINES {
                let found = &run("winners", &text, &Data(Vec::new()), engine)[0];
                for (sample, x) in samples.iter().enumerate() {
                    let mut order: Vec<usize> = (0..7).collect();
                    order.sort_by(|a, b| x[*b].partial_cmp(&x[*a]).unwrap());
                    let won = |at: &usize| order[..winners].contains(at);
                    let wanted: Vec<f64> = (0..7).map(|at| f64::from(u8::from(won(&at)))).collect();
                    assert_eq!(values(found, "y")[sample * 7..(sample + 1) * 7], wanted, "{to}: {x:?}");
                    let kept = &values(found, "kept")[sample * 7..(sample + 1) * 7];
                    assert!((0..7).all(|at| (kept[at] - x[at] * wanted[at]).abs() < 1e-6), "{to}: {x:?} {kept:?}");
                }
            }
        }
    }
    let wrong = |layer: &str, shape: &str| {
        codes(&format!(
            "network n(x: real[{shape}]) -> (y: real[{shape}]) {{ x |> {layer} -> y }}
experiment e {{ deploy n; test {{ x: [[[1, 2], [3, 4]]] }} measure m = mean(y) }}"
        ))
    };
    assert_eq!(wrong("winner_take_all", "2, 2"), ["E0303"]);
    assert_eq!(wrong("flatten |> winner_take_all(4) |> reshape(2, 2)", "2, 2"), ["E0303"]);
    assert_eq!(wrong("flatten |> winner_take_all(1, 2) |> reshape(2, 2)", "2, 2"), ["E0206"]);
    assert_eq!(wrong("flatten |> winner_take_all(k: 2) |> reshape(2, 2)", "2, 2"), ["E0206"]);
}

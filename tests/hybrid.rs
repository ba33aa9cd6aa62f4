//! Populations with layers between them on chips of cores and arrays. Oracle: the same network on ideal hardware; cells and converters are ideal, so that
//! numbers agree, and compiling verifies every form.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_tests::dice::Dice;
use nmc_tests::{ENGINES, codes, run, spikes, values};

/// Neurons that leak, and a chip of so many columns and rows of cores with neurons and small arrays. Deterministic: random numbers are not drawn alike on every chip.
fn hardware(cells: &str, tiles: usize, grid: &str) -> String {
    format!(
        "use std.code.{{count, per_step}}
        encoder often: real -> spikes {{
            state sum: real = 0
            sum' = max(x, 0) / 4 ms
            spike when sum > 1 {{ sum -= 1 }}
        }}
        neuron leaky(bias: real = 0) {{
            input i: real
            state v: real = 0
            v' = (i + bias - v) / 5 ms
            spike when v > 1 {{ v = 0 }}
        }}
        device cell {{ conductance: 1 uS .. 100 uS; levels: ideal }}
        unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
        tile array {{
            cells: cell[{cells}]; weights: differential; input: ideal; sense: ideal; read_voltage: 0.2 V; read_time: 10 ns
        }}
        core cim {{ tiles: array[{tiles}]; units: logic; neurons: 4; buffer: 64 kB }}
        chip board {{ cores: grid({grid}) of cim; network: mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit) }}\n"
    )
}

/// Runs `n` for so many steps on ideal hardware and on the board, and compares what `out.v`, `out.spikes` and, if it has one, its output are.
fn same_on_both(hardware: &str, network: &str, steps: usize) {
    let text = format!(
        "{hardware}{network}
        experiment exact {{ deploy n {{ step: 1 ms }}; run for {steps} ms }}
        experiment mapped {{ deploy n on board {{ step: 1 ms }}; run for {steps} ms }}"
    );
    for engine in ENGINES {
        let results = run("hybrid", &text, &NoFiles, engine);
        assert_eq!(spikes(&results[1], "out.spikes"), spikes(&results[0], "out.spikes"), "{network}");
        for recording in ["out.v", "y"] {
            if recording == "y" && !network.contains("-> (y") {
                continue;
            }
            for (mapped, exact) in values(&results[1], recording).iter().zip(values(&results[0], recording)) {
                assert!((mapped - exact).abs() < 1e-9, "{recording}: {mapped}, not {exact}, of {network}");
            }
        }
    }
}

/// Spikes go through decoders and layers to other populations, values of populations round in loops, for many steps and for one.
#[test]
fn layers_between_populations_give_on_chips_what_they_give_on_ideal_hardware() {
    let w = "dense([[0.5, -0.25, 1], [2, 0.125, -0.5], [0.75, 1, 0.25]])";
    for body in [
        format!("s |> per_step |> {w} -> out.i"),
        format!("s |> count |> scale(0.1) |> {w} -> out.i"),
        String::from("s |> per_step -> out.i"),
        format!("s |> count |> scale(0.1) |> often |> per_step |> {w} -> out.i"),
        format!("s.v |> {w} -> out.i"),
        format!("out.v + s.v |> {w} -> out.i"),
        format!("s.v |> {w} -> out.i\nout.v |> {w} |> relu -> s.i"),
        String::from("s.v -> out.i\nout.v -> s.i"),
    ] {
        let body = format!(
            "population s: leaky[3](bias: 1.5 + i * 0.25)
            population out: leaky[3]()
            {body}
            probe out.v
            probe out.spikes"
        );
        for steps in [20, 1] {
            let plain = format!("network n() {{ {body} }}");
            same_on_both(&hardware("8, 8", 2, "2, 2"), &plain, steps);
            let read = format!("network n() -> (y: real[3]) {{ {body}\nout.v |> {w} -> y }}");
            same_on_both(&hardware("2, 4", 2, "4, 4"), &read, steps);
        }
    }
}

/// Populations, decoders, encoders and layers drawn at random.
#[test]
fn drawn_networks_of_populations_and_layers_are_scheduled() {
    for seed in 0..25 {
        let mut dice = Dice::new(seed);
        let count = 2 + dice.below(3);
        let mut body = String::new();
        let sizes: Vec<usize> = (0..count).map(|_| 1 + dice.below(5)).collect();
        let names: Vec<String> =
            (0..count).map(|n| if n + 1 == count { String::from("out") } else { format!("p{n}") }).collect();
        for (name, size) in names.iter().zip(&sizes) {
            body += &format!("population {name}: leaky[{size}](bias: {} + i * 0.2)\n", dice.number(0.5, 2.0));
        }
        for (to, into) in names.iter().enumerate() {
            if to == 0 && dice.once_in(2) {
                continue;
            }
            let from = dice.below(count);
            let (read, len) = (&names[from], sizes[from]);
            let mut signal = match dice.below(3) {
                0 => format!("{read}.v"),
                1 => format!("{read} |> per_step"),
                _ => format!("{read} |> count |> scale(0.1)"),
            };
            if dice.once_in(3) {
                signal += " |> often |> per_step";
            }
            if dice.once_in(3) {
                signal += " |> relu";
            }
            signal = format!("{signal} |> dense({})", dice.matrix(sizes[to], len));
            body += &format!("{signal} -> {into}.i\n");
        }
        let last = sizes[count - 1];
        body += "probe out.v\nprobe out.spikes\n";
        let network = match dice.once_in(2) {
            true => format!("network n() {{ {body} }}"),
            false => format!("network n() -> (y: real[2]) {{ {body} out.v |> dense({}) -> y }}", dice.matrix(2, last)),
        };
        let cells = dice.one(&["2, 4", "4, 8", "8, 16", "3, 6"]);
        let (tiles, grid) = (2 + dice.below(3), dice.one(&["6, 6", "9, 4", "7, 5"]));
        same_on_both(&hardware(cells, tiles, grid), &network, dice.one(&[1, 7, 12]));
    }
}

/// What no output or population needs takes no array, energy or time: the chip has one array, and is that of the network without such layers.
#[test]
fn what_nothing_uses_is_left_out() {
    let text = |spare: &str| {
        format!(
            "{}network n(x: real[2]) -> (y: real[2]) {{
                {spare}
                x |> dense([[1, 2], [0.5, 0]]) -> y
            }}
            experiment e {{ deploy n on board; test {{ x: [[1, 2], [-1, 0.5]] }} measure m = mean(y) }}",
            hardware("8, 8", 1, "1, 1")
        )
    };
    let spare = "spare = x |> dense([[1, 2], [3, 4]]) |> relu
        more = spare |> dense([[1, 1]])";
    let told = codes(&text(spare));
    assert!(told.contains(&"W0208") && !told.iter().any(|code| code.starts_with('E')), "{told:?}");
    let costs = |text: &str| {
        let image = compile("spare", text, &NoFiles, &Options::default()).image.unwrap();
        let costs = &image.programs[0].costs;
        (costs.latency_s, costs.layout.tiles.len(), costs.costs.len())
    };
    assert_eq!(costs(&text(spare)), costs(&text("")));
    let total = |text: &str| run("spare", text, &NoFiles, ENGINES[1])[0].energy_j.iter().map(|(_, j)| j).sum::<f64>();
    assert_eq!(total(&text(spare)), total(&text("")));
}

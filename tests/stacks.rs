//! Stacks of arrays: what they hold is what arrays side by side hold; area, turns and the time of programming by hand.

use nmc_compiler::files::NoFiles;
use nmc_compiler::{Options, compile};
use nmc_program::{ComponentKind, Costs};
use nmc_tests::{codes, run, values};

/// Two layers of 4 inputs, each on two arrays of 4 rows and 4 columns (pairs): four arrays.
fn text(layers: usize, arrays: usize, cell: &str) -> String {
    format!(
        "device cell {{ conductance: 0 uS .. 100 uS; levels: ideal; cell_area: 2 um2; {cell} }}
        converter dac(bits: int = 16): bits(bits) -> voltage {{ energy: 0.5 pJ; area: 40 um2; time: 1 ns; static_power: 1 uW }}
        converter sar(bits: int = 16): current -> bits(bits) {{ energy: 2 pJ; area: 1200 um2; time: 3 ns; static_power: 5 uW }}
        unit logic: bits(16) -> bits(16) {{ implements: any; energy: 0.1 pJ; area: 500 um2; time: 1 ns }}
        tile array {{
            cells: cell[4, 4]; weights: differential; input: dac; sense: sar; sharing: 2; layers: {layers}
            read_voltage: 0.2 V; read_time: 10 ns; area: 100 um2
        }}
        core cim {{ tiles: array[{arrays}]; units: logic[8]; buffer: 1024 kB }}
        chip board {{ cores: cim }}
        network n(x: real[4]) -> (y: real[4]) {{
            x |> dense([[1, -0.5, 0.25, 0], [0, 1, 0.5, -1], [0.25, 0, 1, -0.75], [-1, 0.5, 0, 1]]) |> relu
                |> dense([[0.5, 1, 0, -1], [1, 0, -0.25, 0.5], [0, -1, 0.75, 0.25], [0.5, 0, 1, 0]]) -> y
        }}
        experiment e {{
            deploy n on board {{ calibrate: [[1, 1, 1, 1], [0, 1, 0, 1]] }}
            test {{ x: [[1, 0.5, 0, 0.25], [0, 1, 1, 0.5]] }} measure m = mean(y)
        }}"
    )
}

fn costs(text: &str) -> Costs {
    let image = compile("stack", text, &NoFiles, &Options::default()).image;
    image.unwrap_or_else(|| panic!("{:?}", codes(text))).programs.remove(0).costs
}

fn area(costs: &Costs, kind: ComponentKind) -> f64 {
    costs.layout.area_mm2.iter().find(|(known, _)| *known == kind).map_or(0.0, |(_, mm2)| *mm2 * 1e6)
}

/// One stack of four and four arrays of one layer compute the same; the stack has the area of one array, with its converters once, and
/// its layers read one after the other.
#[test]
fn layers_share_area_and_take_turns() {
    let (stack, flat) = (text(4, 1, ""), text(1, 4, ""));
    let of = |text: &str| values(&run("stack", text, &NoFiles, nmc_tests::ENGINES[1])[0], "y").to_vec();
    assert_eq!(of(&stack), of(&flat));
    let (stack, flat) = (costs(&stack), costs(&flat));
    assert_eq!((stack.layout.tiles.len(), flat.layout.tiles.len()), (4, 4));
    // By hand: 16 cells of 2 um2; what is left of 100 um2; 4 drivers of 40 um2; a converter of 1200 um2 for each 2 of 4 columns.
    for (kind, um2) in [
        (ComponentKind::Cells, 32.0),
        (ComponentKind::Driver, 68.0),
        (ComponentKind::Dac, 160.0),
        (ComponentKind::Adc, 2400.0),
    ] {
        assert!((area(&stack, kind) - um2).abs() < 1e-6, "{kind:?}: {}", area(&stack, kind));
        assert!((area(&flat, kind) - 4.0 * um2).abs() < 1e-6, "{kind:?}: {}", area(&flat, kind));
    }
    assert!((stack.static_power_w - (4.0 * 1e-6 + 2.0 * 5e-6)).abs() < 1e-12, "{}", stack.static_power_w);
    assert!((flat.static_power_w - 4.0 * stack.static_power_w).abs() < 1e-12);
    // A read: a driver, the cells, and a converter for each pair. Two blocks of a layer side by side, or one after the other.
    let read = 1e-9 + 10e-9 + 3e-9;
    assert!(stack.initiation_interval_s > 4.0 * read - 1e-12, "{}", stack.initiation_interval_s);
    assert!(flat.initiation_interval_s < 2.0 * read, "{}", flat.initiation_interval_s);
    assert!(stack.latency_s > flat.latency_s + 2.0 * read - 1e-12, "{} {}", stack.latency_s, flat.latency_s);
}

/// Layers are written one after the other, arrays side by side.
#[test]
fn a_stack_is_written_layer_by_layer() {
    let cell = "programming: one_shot(pulse_energy: 1 pJ, pulse_time: 100 ns)";
    let seconds = |layers: usize, arrays: usize| {
        let results = run("written", &text(layers, arrays, cell), &NoFiles, nmc_tests::ENGINES[1]).remove(0);
        let mut blocks = std::collections::BTreeMap::new();
        for programmed in &results.programmed {
            *blocks.entry(programmed.block).or_insert(0.0) += programmed.seconds;
        }
        blocks.into_values().fold(0.0, f64::max)
    };
    for (layers, arrays, in_turn) in [(1, 4, 1.0), (4, 1, 4.0), (2, 2, 2.0)] {
        let wanted = in_turn * 16.0 * 100e-9;
        assert!((seconds(layers, arrays) / wanted - 1.0).abs() < 1e-9, "{layers}: {}", seconds(layers, arrays));
    }
}

#[test]
fn what_no_stack_can_be_is_told() {
    assert_eq!(codes(&text(4, 1, "")), [] as [&str; 0]);
    for (from, to, code) in [
        ("sense: sar;", "sense: sar or current;", "E0503"),
        ("input: dac;", "input: voltage;", "E0503"),
        ("layers: 4", "layers: 0", "E0303"),
        ("array[1]", "array[100000000]", "E0503"),
    ] {
        assert!(
            codes(&text(4, 1, "").replace(from, to)).contains(&code),
            "{to}: {:?}",
            codes(&text(4, 1, "").replace(from, to))
        );
    }
    assert!(codes(&text(3, 1, "")).iter().any(|code| code.starts_with('E')), "four arrays fit no stack of three");
}

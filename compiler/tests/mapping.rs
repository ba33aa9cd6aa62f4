//! The way from a network to a timetable: a perceptron of 784, 256 and 10 on arrays of 256 x 256, built by hand.

use nmc_compiler::forms::chip::*;
use nmc_compiler::forms::equations::{Expr, Function, Symbol};
use nmc_compiler::forms::network::*;
use nmc_compiler::forms::plan::{Pin, Pinned, Plan};
use nmc_compiler::forms::scheduled::Scheduled;
use nmc_compiler::{convert, place, report, schedule, tile};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::{FileId, Span};
use nmc_program::{Tensor, TensorData, TensorId};

fn span() -> Span {
    Span::new(FileId(0), 0, 1)
}

fn tensor(shape: &[usize], value: impl Fn(usize) -> f32) -> Tensor {
    let len = shape.iter().product();
    Tensor { name: String::new(), shape: shape.to_vec(), data: TensorData::F32((0..len).map(value).collect()) }
}

fn node(name: &str, operator: Operator, len: usize) -> Node {
    Node { name: name.into(), operator, shape: vec![len], logical: Logical::Real, span: span(), inserted: None }
}

/// image -> fc1 -> relu -> fc2 -> scores, with tensors 0 and 1 as weights and 2 as calibration samples.
fn perceptron() -> (Network, Vec<Tensor>) {
    let relu = Expr::Call(Function::Maximum, vec![Expr::Symbol(Symbol::Input(0)), Expr::Number(0.0)]);
    let dense = |id| Operator::Dense { weights: Weights::Given(TensorId(id)), bias: None };
    let mut network = Network { name: "perceptron".into(), ..Network::default() };
    let nodes: Vec<NodeId> = [
        node("image", Operator::Input, 784),
        node("fc1", dense(0), 256),
        node("relu_1", Operator::Elementwise { function: "relu".into(), body: relu }, 256),
        node("fc2", dense(1), 10),
        node("scores", Operator::Output, 10),
    ]
    .into_iter()
    .map(|node| network.graph.add_node(node))
    .collect();
    for pair in nodes.windows(2) {
        network.graph.add_edge(pair[0], pair[1], Edge::Signal { operand: 0 });
    }
    (network.inputs, network.outputs) = (vec![nodes[0]], vec![nodes[4]]);
    let wave = |k: f32| move |i: usize| (i as f32 * k).sin();
    let tensors = vec![
        tensor(&[256, 784], wave(0.37)),
        tensor(&[10, 256], wave(0.73)),
        tensor(&[16, 784], |i| wave(0.11)(i).abs()),
    ];
    (network, tensors)
}

fn converter(name: &str, from: Domain, to: Domain, bits: u32, energy: f64) -> Converter {
    Converter {
        name: name.into(),
        from,
        to,
        bits: Some(bits),
        energy,
        area: 1e-9,
        time: 1e-9,
        noise_lsb: 0.0,
        gain_error: 0.0,
        offset_lsb: 0.0,
        static_power: 0.0,
    }
}

fn unit(name: &str, function: &str, domain: Domain, energy: f64) -> UnitKind {
    UnitKind {
        name: name.into(),
        implements: vec![function.into()],
        from: domain,
        to: domain,
        transfer: None,
        energy,
        area: 1e-11,
        time: 1e-9,
        noise: 0.0,
    }
}

fn chip(cores: usize) -> Chip {
    let device = Device {
        name: "cell".into(),
        g_min: 1e-6,
        g_max: 1e-4,
        levels: None,
        programming_sigma: None,
        read_sigma: None,
        drift: None,
        stuck_on: 0.0,
        stuck_off: 0.0,
        program_pulses: 1.0,
        pulse_energy: 1e-12,
        area: 1e-13,
    };
    let tile = TileKind {
        name: "xbar".into(),
        device: 0,
        rows: 256,
        cols: 256,
        weights: WeightScheme::Differential,
        inputs: vec![Drive::Converter(1), Drive::Direct(Domain::Voltage)],
        senses: vec![Sense::Converter { converter: 0, sharing: 8 }, Sense::Analog(Domain::Voltage)],
        read_voltage: 0.2,
        read_time: 1e-8,
        wire_ohms: 0.0,
        area: 2e-8,
        transposable: true,
    };
    let core = CoreKind {
        name: "cim".into(),
        tiles: vec![(0, 1)],
        units: vec![(0, 256), (1, 4), (2, 256), (3, 256)],
        buffer_bits: 64.0 * 8192.0,
        ..CoreKind::default()
    };
    Chip {
        name: "test".into(),
        core_kinds: vec![core],
        cores: vec![0; cores],
        grid: (cores.min(8), cores.div_ceil(8)),
        mesh: Mesh { flit_bits: 32.0, hop_time: 1e-9, energy_per_bit: 1e-12, ..Mesh::default() },
        tile_kinds: vec![tile],
        unit_kinds: vec![
            unit("analog_relu", "relu", Domain::Voltage, 2e-14),
            unit("digital_alu", "any", Domain::Bits, 1e-13),
            unit("voltage_sum", "sum", Domain::Voltage, 2e-14),
            unit("current_sum", "sum", Domain::Current, 1e-15),
        ],
        converters: vec![
            converter("sar", Domain::Current, Domain::Bits, 6, 4e-13),
            converter("pulse_width", Domain::Bits, Domain::Pulse, 8, 1e-13),
        ],
        devices: vec![device],
        ..Chip::default()
    }
}

/// All stages, each verified.
fn map(chip: &Chip, plan: &Plan) -> Result<Scheduled, Vec<Diagnostic>> {
    let (network, tensors) = perceptron();
    let mut found = Vec::new();
    let stages = (|| {
        let tiled = tile::tile(&network, chip, plan, &mut found)?;
        assert_eq!(tile::verify(&tiled), Vec::<String>::new());
        let converted = convert::convert(tiled, &tensors, &Default::default(), &mut found)?;
        assert_eq!(convert::verify(&converted), Vec::<String>::new());
        let placed = place::place(converted, &mut found)?;
        assert_eq!(place::verify(&placed), Vec::<String>::new());
        let scheduled = schedule::schedule(placed, &mut found)?;
        assert_eq!(schedule::verify(&scheduled), Vec::<String>::new());
        Some(scheduled)
    })();
    stages.ok_or(found)
}

fn plan() -> Plan {
    Plan { calibration: vec![TensorId(2)], ..Plan::default() }
}

fn counted(list: &[(String, f64)], name: &str) -> f64 {
    list.iter().find(|(other, _)| other == name).map_or(0.0, |(_, count)| *count)
}

#[test]
fn the_hidden_layer_stays_analog_where_that_saves_energy() {
    let free = map(&chip(16), &plan()).unwrap();
    let all = map(&chip(16), &Plan { convert_everywhere: true, ..plan() }).unwrap();
    // 784 rows in 4 blocks, 256 outputs in 2; 256 rows and 10 outputs in one.
    assert_eq!(free.placed.converted.tiled.blocks.len(), 9);
    let (a, b) = (&free.placed.converted.conversions, &all.placed.converted.conversions);
    assert_eq!(counted(&b.inserted, "sar(6)") - counted(&a.inserted, "sar(6)"), 256.0);
    assert_eq!(counted(&b.inserted, "pulse_width(8)") - counted(&a.inserted, "pulse_width(8)"), 256.0);
    assert_eq!(a.baseline, b.inserted);
    let reached = free.placed.converted.objective;
    assert!(reached.optimal);
    assert!(reached.value < reached.convert_everywhere);
    assert_eq!(reached.convert_everywhere, all.placed.converted.objective.value);
    let layout = report::report(&free);
    let wire = layout.wires.iter().find(|wire| wire.from == "fc1").unwrap();
    assert!(wire.reason.starts_with("analog: relu is available as an amplifier"), "{}", wire.reason);
    assert!(wire.reason.contains("saves 256 ADC"), "{}", wire.reason);
}

#[test]
fn a_pin_is_kept_and_its_price_told() {
    let (network, _) = perceptron();
    let fc1 = network.graph.node_indices().nth(1).unwrap();
    let pin = Pin { node: fc1, value: Pinned::Domain(Domain::Bits), span: span() };
    let pinned = map(&chip(16), &Plan { pins: vec![pin], ..plan() }).unwrap();
    let free = map(&chip(16), &plan()).unwrap();
    let (with, without) = (pinned.placed.converted.objective.value, free.placed.converted.objective.value);
    assert!(with > without);
    assert!((pinned.placed.converted.pin_costs[0] - (with - without)).abs() < 1e-18);
}

#[test]
fn what_cannot_be_mapped_is_one_coded_error() {
    let code = |chip: &Chip, plan: &Plan| map(chip, plan).unwrap_err().iter().map(|d| d.code).collect::<Vec<_>>();
    assert_eq!(code(&chip(8), &plan()), [Code::E0602]);
    let mut bare = chip(16);
    bare.core_kinds[0].tiles.clear();
    assert_eq!(code(&bare, &plan()), [Code::E0601]);
    let mut unitless = chip(16);
    unitless.unit_kinds.truncate(0);
    unitless.core_kinds[0].units.clear();
    assert_eq!(code(&unitless, &plan()), [Code::E0606]);
    let mut mute = chip(16);
    mute.tile_kinds[0].inputs = vec![Drive::Direct(Domain::Voltage)];
    assert_eq!(code(&mute, &plan()), [Code::E0603]);
    let mut small = chip(16);
    small.core_kinds[0].buffer_bits = 100.0;
    assert_eq!(code(&small, &plan()), [Code::E0608]);
    let (network, _) = perceptron();
    let fc1 = network.graph.node_indices().nth(1).unwrap();
    let pin = |value| Plan { pins: vec![Pin { node: fc1, value, span: span() }], ..plan() };
    assert_eq!(code(&chip(16), &pin(Pinned::Domain(Domain::Light))), [Code::E0604]);
    assert_eq!(code(&chip(16), &pin(Pinned::Core(9, 9))), [Code::E0612]);
}

#[test]
fn the_ideal_chip_changes_nothing() {
    let ideal = map(&Chip { name: "ideal".into(), ideal: true, ..Chip::default() }, &plan()).unwrap();
    assert!(ideal.placed.converted.tiled.blocks.is_empty());
    assert!(ideal.placed.converted.wires.iter().all(|wire| wire.converters.is_empty()));
    assert!(ideal.tasks.is_empty() && ideal.transfers.is_empty());
}

#[test]
fn an_accuracy_limit_is_kept_or_said_to_be_out_of_reach() {
    let test = |loss: f64| Plan {
        accuracy_loss: Some(loss),
        phases: vec![nmc_compiler::forms::plan::Phase {
            kind: nmc_compiler::forms::plan::PhaseKind::Test,
            sequence: false,
            restart: false,
            samples: 16,
            inputs: Vec::new(),
            duration: None,
            target: None,
            metrics: vec![nmc_program::Metric {
                name: "accuracy".into(),
                kind: nmc_program::MetricKind::Accuracy { output: nmc_program::ArrayId(4), labels: TensorId(2) },
            }],
            skip: 0,
            span: span(),
        }],
        calibration: Vec::new(),
        ..plan()
    };
    // Without calibration samples the loss cannot be measured.
    let mut noisy = chip(16);
    let (network, tensors) = perceptron();
    let mut found = Vec::new();
    let tiled = tile::tile(&network, &noisy, &test(0.01), &mut found).unwrap();
    assert!(convert::convert(tiled, &tensors, &Default::default(), &mut found).is_some());
    assert_eq!(found.iter().map(|d| d.code).collect::<Vec<_>>(), [Code::W0613]);
    // An amplifier that is all noise is left out where accuracy counts, and taken where it does not.
    noisy.unit_kinds[0].noise = 0.5;
    for converter in &mut noisy.converters {
        converter.bits = Some(10);
    }
    let limited = |loss: f64| Plan { calibration: vec![TensorId(2)], ..test(loss) };
    let (strict, loose) = (map(&noisy, &limited(0.2)).unwrap(), map(&noisy, &limited(1.0)).unwrap());
    let relu = |scheduled: &Scheduled| scheduled.placed.converted.choices[2].name.clone();
    assert_eq!((relu(&strict).as_str(), relu(&loose).as_str()), ("digital_alu", "analog_relu"));
    assert!(strict.placed.converted.objective.value >= loose.placed.converted.objective.value);
    assert!(strict.placed.converted.objective.lower_bound <= strict.placed.converted.objective.value);
    for converter in &mut noisy.converters {
        converter.bits = Some(1);
    }
    let faults = map(&noisy, &limited(0.001)).unwrap_err();
    assert_eq!(faults.iter().map(|d| d.code).collect::<Vec<_>>(), [Code::E0605]);
}

#[test]
fn a_population_larger_than_a_core_is_split() {
    use nmc_compiler::forms::equations::Dynamics;
    let mut network = Network::default();
    let operator = Operator::Population { dynamics: Dynamics::default(), kind: PopulationKind::Neuron };
    network.graph.add_node(Node { logical: Logical::Spikes, ..node("a", operator, 10) });
    let spiking = |cores| Chip {
        core_kinds: vec![CoreKind { neurons: Some(8), ..CoreKind::default() }],
        cores: vec![0; cores],
        grid: (cores, 1),
        ..Chip::default()
    };
    let place = |cores| {
        let mut found = Vec::new();
        let tiled = tile::tile(&network, &spiking(cores), &Plan::default(), &mut found).unwrap();
        let converted = convert::convert(tiled, &[], &Default::default(), &mut found).unwrap();
        place::place(converted, &mut found).ok_or(found)
    };
    let placed = place(2).unwrap();
    assert_eq!(place::verify(&placed), Vec::<String>::new());
    let pieces: Vec<_> = placed.node_cores.iter().map(|place| (place.elements, place.core)).collect();
    assert_eq!(pieces, [((0, 8), 0), ((8, 10), 1)]);
    assert_eq!(place(1).unwrap_err()[0].code, Code::E0609);
}

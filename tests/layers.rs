//! Layers made by hand, lowered and run: arrays without errors lose nothing, spikes carry values.

#[path = "hand_made.rs"]
mod hand_made;

use hand_made::*;
use nmc_compiler::forms::{
    chip::*,
    converted::*,
    equations::*,
    network::*,
    placed::Placed,
    plan::{self, InputData, Plan},
    scheduled::Scheduled,
    tiled::*,
};
use nmc_compiler::quantity::Dimension;
use nmc_program::{Aggregate, ArrayId, Metric, MetricKind, Precision, TensorId};
use nmc_runtime::{EngineKind, Recorded, RunOptions};
fn mlp(bits: Option<u32>, blocks: bool, sigma: Option<Expr>) -> Vec<f64> {
    let mut net = Network::default();
    let ts = vec![
        tensor(&[4, 6], |i| ((i * 37 % 11) as f64 - 5.) / 10.),
        tensor(&[4], |i| i as f64 * 0.1),
        tensor(&[3, 6], |i| (i % 7) as f64 / 7.),
    ];
    let x = node(&mut net, "x", Operator::Input, 6, Logical::Real);
    let d = node(
        &mut net,
        "fc",
        Operator::Dense { weights: Weights::Given(TensorId(0)), bias: Some(TensorId(1)) },
        4,
        Logical::Real,
    );
    let r = node(
        &mut net,
        "relu_1",
        Operator::Elementwise {
            function: "relu".into(),
            body: Expr::Call(Function::Maximum, vec![s(Symbol::Input(0)), n(0.)]),
        },
        4,
        Logical::Real,
    );
    let o = node(&mut net, "y", Operator::Output, 4, Logical::Real);
    wire(&mut net, x, d, 0);
    wire(&mut net, d, r, 0);
    wire(&mut net, r, o, 0);
    net.inputs = vec![x];
    net.outputs = vec![o];
    let mut ph = phase(vec![(x, InputData::Values(TensorId(2)))], 0.);
    ph.kind = plan::PhaseKind::Test;
    ph.samples = 3;
    ph.duration = None;
    ph.metrics = vec![Metric {
        name: "m".into(),
        kind: MetricKind::Output { output: ArrayId(o.index() as u32), aggregate: Aggregate::Mean },
    }];
    let plan = Plan { phases: vec![ph], ..Plan::default() };
    let conv = |from, to| Converter {
        name: "k".into(),
        from,
        to,
        bits,
        energy: 1e-12,
        area: 0.,
        time: 0.,
        noise_lsb: 0.,
        gain_error: 0.,
        offset_lsb: 0.,
        static_power: 0.,
    };
    let mut chip = Chip { ideal: !blocks, ..Chip::default() };
    chip.converters = vec![conv(Domain::Bits, Domain::Voltage), conv(Domain::Current, Domain::Bits)];
    chip.devices = vec![Device {
        name: "d".into(),
        g_min: 1e-6,
        g_max: 1e-4,
        levels: None,
        programming_sigma: None,
        read_sigma: sigma,
        drift: None,
        stuck_on: 0.,
        stuck_off: 0.,
        program_pulses: 1.,
        pulse_energy: 1e-12,
        area: 0.,
    }];
    chip.tile_kinds = vec![TileKind {
        name: "t".into(),
        device: 0,
        rows: 3,
        cols: 4,
        weights: WeightScheme::Differential,
        inputs: vec![Drive::Converter(0)],
        senses: vec![Sense::Converter { converter: 1, sharing: 1 }],
        read_voltage: 0.2,
        read_time: 1e-8,
        wire_ohms: 0.,
        area: 0.,
        transposable: false,
    }];
    let bl = |i: (usize, usize), o: (usize, usize)| Block {
        layer: d,
        tile_kind: 0,
        inputs: i,
        outputs: o,
        columns_per_output: 2,
        extra_columns: 0,
    };
    let blocks_v = if blocks {
        vec![bl((0, 3), (0, 2)), bl((3, 6), (0, 2)), bl((0, 3), (2, 4)), bl((3, 6), (2, 4))]
    } else {
        vec![]
    };
    let merges = if blocks {
        vec![
            Merge { layer: d, outputs: (0, 2), blocks: vec![0, 1] },
            Merge { layer: d, outputs: (2, 4), blocks: vec![2, 3] },
        ]
    } else {
        vec![]
    };
    let k = merges.len();
    let choices = if blocks {
        vec![Choice { node: d, name: "".into(), implementation: Implementation::Tile { drive: 0, sense: 0 } }]
    } else {
        vec![]
    };
    let converted = Converted {
        tiled: Tiled {
            firings: nmc_compiler::graph::firings(&net, &plan),
            network: net,
            chip,
            plan,
            blocks: blocks_v,
            merges,
        },
        choices,
        wires: vec![],
        objective: Outcome::default(),
        ranges: vec![(x, 1.), (d, 2.)],
        block_ranges: vec![2.; 4],
        pin_costs: vec![],
        merge_units: vec![None; k],
        conversions: Default::default(),
    };
    let placed = Placed {
        converted,
        block_cores: vec![],
        block_tiles: vec![],
        node_cores: vec![],
        cost: 0.,
        lower_bound: 0.,
        random_cost: 0.,
    };
    let sch = Scheduled {
        placed,
        tasks: vec![],
        transfers: vec![],
        initiation_interval: 0.,
        latency: 0.,
        bottleneck: String::new(),
    };
    let mut dg = vec![];
    let out = nmc_compiler::lower::lower(&sch, &ts, Precision::F64, Default::default(), &mut dg).unwrap();
    assert!(out.problems.is_empty(), "{:?}", out.problems);
    assert!(out.program.verify().is_empty(), "{:?}\n{}", out.program.verify(), out.program);
    let r = nmc_runtime::run(
        &out.program,
        &RunOptions { seed: 1, engine: EngineKind::Interpreter, threads: 1, memory: 16 << 30, progress: None },
    )
    .unwrap();
    let Recorded::Values { data, .. } = &r.recordings[0].values else { panic!() };
    data.clone()
}

/// Exact cells and converters give the exact layer; converters and read noise do not.
#[test]
fn arrays_without_errors_lose_nothing() {
    let a = mlp(None, false, None);
    let b = mlp(None, true, None);
    let q = mlp(Some(8), true, None);
    let z = mlp(None, true, Some(n(1e-6)));
    let diff = |p: &[f64], q: &[f64]| p.iter().zip(q).map(|(x, y)| (x - y).abs()).fold(0., f64::max);
    assert!(diff(&a, &b) < 1e-12 && diff(&a, &q) < 0.05 && diff(&a, &q) > 1e-4 && diff(&a, &z) > 1e-4);
}

/// A value becomes spikes, is counted, and goes through a layer.
#[test]
fn rates_are_encoded_and_decoded() {
    // x -> rate encoder -> decoder count -> dense -> y
    let mut net = Network::default();
    let ts = vec![tensor(&[1, 2], |i| 1. + i as f64), tensor(&[4, 2], |i| if i % 2 == 0 { 1.0 } else { 0.25 })];
    let x = node(&mut net, "x", Operator::Input, 2, Logical::Real);
    let e = node(
        &mut net,
        "enc",
        Operator::Population {
            kind: PopulationKind::Encoder,
            dynamics: Dynamics {
                inputs: vec![Input { name: "x".into(), dimension: Dimension::NONE }],
                emission: Some(Emission::Poisson { rate: c(Function::Multiply, vec![n(1000.), s(Symbol::Input(0))]) }),
                ..Dynamics::default()
            },
        },
        2,
        Logical::Spikes,
    );
    let k = node(
        &mut net,
        "count",
        Operator::Population {
            kind: PopulationKind::Decoder,
            dynamics: Dynamics {
                states: vec![st("n", 0., None)],
                on_pre: vec![add(Symbol::State(0), n(1.))],
                outputs: vec![("y".into(), s(Symbol::State(0)))],
                ..Dynamics::default()
            },
        },
        2,
        Logical::Real,
    );
    let d =
        node(&mut net, "fc", Operator::Dense { weights: Weights::Given(TensorId(0)), bias: None }, 1, Logical::Real);
    let o = node(&mut net, "y", Operator::Output, 1, Logical::Real);
    wire(&mut net, x, e, 0);
    wire(&mut net, e, k, 0);
    wire(&mut net, k, d, 0);
    wire(&mut net, d, o, 0);
    net.inputs = vec![x];
    net.outputs = vec![o];
    let mut ph = phase(vec![(x, InputData::Values(TensorId(1)))], 0.1);
    ph.kind = plan::PhaseKind::Test;
    ph.samples = 4;
    let plan = Plan { step: Some(1e-4), phases: vec![ph], ..Plan::default() };
    for engine in [EngineKind::Interpreter, EngineKind::Jit] {
        let r = go(net.clone(), plan.clone(), ts.clone(), engine);
        let Recorded::Values { data, .. } = &r.recordings[0].values else { panic!() };
        // Of 1000 ticks, each with probability 1 - exp(-0.1) or 1 - exp(-0.025); the second is weighted twice. Five sigma.
        let wanted = 95.16 + 2.0 * 24.69;
        let sigma = (95.16 * 0.905 + 4.0 * 24.69 * 0.975f64).sqrt();
        assert_eq!(data.len(), 4);
        assert!(data.iter().all(|y| (y - wanted).abs() < 5.0 * sigma), "{data:?}");
        assert!(data[0] != data[1]);
    }
}

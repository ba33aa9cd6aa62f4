//! Properties (`name: value`) of blocks: which there are, what they hold, which are needed; each once.

use nmc_grammar::ast::{Block, BlockKind, Clause, ExprKind, Field, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::elsewhere::instead;
use nmc_grammar::span::Span;

use super::{Checker, a, suggestion, walk};

/// What a property holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// A quantity of this type.
    Quantity(&'static str),
    /// A fixed deviation, a number of either sign; or `normal(MEAN, SIGMA)`.
    Deviation,
    /// A quantity of this type, or the word `ideal`.
    OrIdeal(&'static str),
    /// `low .. high` of this type.
    Range(&'static str),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Blocks of these kinds, or one of these words.
    Blocks(&'static [BlockKind], &'static [&'static str]),
    /// One or more of these words.
    Words(&'static [&'static str]),
    /// `name(key: value, …)`: names (the empty one is any) and what their arguments are, in a type or, for one of [`ANALOG`],
    /// `domain`.
    Calls(&'static [(&'static str, &'static [(&'static str, &'static str)])]),
    /// `normal(0, SIGMA)` of this type.
    Noise(&'static str),
    /// The same, or any other expression with random numbers.
    Drawn(&'static str),
    /// Functions that a unit can compute.
    Functions,
    /// Checked where it is used.
    Other,
}

/// A property.
pub struct Property {
    /// Its key, of one or two words.
    pub key: &'static str,
    pub holds: Holds,
    /// Whether the block is nothing without it.
    pub needed: bool,
}

const fn may(key: &'static str, holds: Holds) -> Property {
    Property { key, holds, needed: false }
}

const fn must(key: &'static str, holds: Holds) -> Property {
    Property { key, holds, needed: true }
}

use Holds::{Blocks, Calls, Deviation, Drawn, Functions, Noise, OrIdeal, Other, Quantity, Range, Word, Words};

const METHOD: Property = may("method", Word(&["exact", "exponential_euler", "rk4", "rk45", "euler"]));
/// Of `rk45`.
const TOLERANCE: Property = may("tolerance", Quantity("real"));
/// Equations of synapses are moved synapse by synapse, without sub-steps.
const OF_SYNAPSES: Property = may("method", Word(&["exact", "exponential_euler", "rk4", "euler"]));

/// What wires can carry.
pub const ANALOG: &[&str] = &["voltage", "current", "charge", "pulse", "light"];
const DOMAINS: &[&str] = &["ideal", "voltage", "current", "charge", "pulse", "spikes", "light", "bits"];

/// What parts of a layer may have of their own.
const EACH: &[&str] = &["layer", "array", "column"];

/// The properties of each kind of block.
pub fn properties(kind: BlockKind) -> &'static [Property] {
    match kind {
        BlockKind::Neuron | BlockKind::Encoder | BlockKind::Decoder => const { &[METHOD, TOLERANCE] },
        BlockKind::Synapse | BlockKind::Plasticity => const { &[OF_SYNAPSES] },
        BlockKind::Device => {
            const {
                &[
                    METHOD,
                    TOLERANCE,
                    may("conductance", Range("conductance")),
                    may("levels", OrIdeal("real")),
                    may("noise programming", Noise("conductance")),
                    may("noise read", Drawn("conductance")),
                    may(
                        "noise telegraph",
                        Calls(&[("trap", &[("amplitude", "conductance"), ("capture", "time"), ("emission", "time")])]),
                    ),
                    may(
                        "noise flicker",
                        Calls(&[("flicker", &[("sigma", "conductance"), ("from", "time"), ("to", "time")])]),
                    ),
                    may("drift", Quantity("conductance")),
                    may("current", Quantity("current")),
                    may("potentiation", Quantity("conductance")),
                    may("depression", Quantity("conductance")),
                    may("noise pulse", Noise("conductance")),
                    may("pulse_energy", Quantity("energy")),
                    may("pulse_voltage", Quantity("voltage")),
                    may("leak", Quantity("time")),
                    may(
                        "faults",
                        Calls(&[
                            ("stuck_on", &[("share", "real")]),
                            ("stuck_off", &[("share", "real")]),
                            ("dead_row", &[("share", "real")]),
                            ("dead_column", &[("share", "real")]),
                        ]),
                    ),
                    may(
                        "programming",
                        Calls(&[
                            (
                                "write_verify",
                                &[
                                    ("pulses", "real"),
                                    ("pulse_energy", "energy"),
                                    ("pulse_time", "time"),
                                    ("tolerance", "conductance"),
                                ],
                            ),
                            ("open_loop", &[("pulses", "real"), ("pulse_energy", "energy"), ("pulse_time", "time")]),
                            ("one_shot", &[("pulse_energy", "energy"), ("pulse_time", "time")]),
                        ]),
                    ),
                    may("cell_area", Quantity("area")),
                ]
            }
        }
        BlockKind::Converter => {
            const {
                &[
                    may("energy", Quantity("energy")),
                    may("area", Quantity("area")),
                    may("time", Quantity("time")),
                    may("noise", Quantity("real")),
                    may("gain_error", Deviation),
                    may("offset", Deviation),
                    may("inl", Deviation),
                    may("range", Other),
                    may("droop", Quantity("frequency")),
                    may("static_power", Quantity("power")),
                ]
            }
        }
        BlockKind::Unit => {
            const {
                &[
                    must("implements", Functions),
                    may("energy", Quantity("energy")),
                    may("area", Quantity("area")),
                    may("time", Quantity("time")),
                    may("noise", Quantity("real")),
                    may("gain_error", Deviation),
                    may("static_power", Quantity("power")),
                ]
            }
        }
        BlockKind::Tile => {
            const {
                &[
                    must("cells", Blocks(&[BlockKind::Device], &[])),
                    may("fast", Blocks(&[BlockKind::Device], &[])),
                    may("gain", Quantity("real")),
                    may("weights", Word(&["differential", "reference", "offset", "unsigned"])),
                    may("slices", Quantity("real")),
                    may("scaling", Word(EACH)),
                    may("ranges", Word(EACH)),
                    may("spare_columns", Quantity("real")),
                    may("neurons", Quantity("real")),
                    may("layers", Quantity("real")),
                    may("hold", Blocks(&[BlockKind::Converter], &[])),
                    may("row_energy", Quantity("energy")),
                    may("normalises", Quantity("bool")),
                    must("input", Blocks(&[BlockKind::Converter], DOMAINS)),
                    must("sense", Blocks(&[BlockKind::Converter], DOMAINS)),
                    may("sharing", Quantity("real")),
                    may("read_voltage", Quantity("voltage")),
                    may("read_time", Quantity("time")),
                    may("write_bias", Word(&["half", "third", "float", "ground"])),
                    may("wire", OrIdeal("resistance")),
                    may("driver_resistance", Quantity("resistance")),
                    may("sense_resistance", Quantity("resistance")),
                    may("driven", Word(&["one_end", "both_ends"])),
                    may("area", Quantity("area")),
                    may("transposable", Quantity("bool")),
                ]
            }
        }
        BlockKind::Core => {
            const {
                &[
                    may("tiles", Blocks(&[BlockKind::Tile], &[])),
                    may("cells", Blocks(&[BlockKind::Device], &[])),
                    may("units", Blocks(&[BlockKind::Unit], &[])),
                    may("lines", Words(ANALOG)),
                    may("buffer", Quantity("real")),
                    may("buffer_energy", Quantity("energy")),
                    may("static_power", Quantity("power")),
                    may("area", Quantity("area")),
                    may("neurons", Quantity("real")),
                    may("synapses", Quantity("real")),
                    may("neuron_model", Word(&["any", "linear"])),
                    may("weight_bits", Quantity("real")),
                    may("trace_bits", Quantity("real")),
                    may("longest_delay", Quantity("real")),
                    may("axons", Quantity("real")),
                    may("axon_types", Quantity("real")),
                    may("compartments", Quantity("real")),
                    may("states", Quantity("real")),
                    may("neuron_energy", Quantity("energy")),
                    may("idle_neuron_energy", Quantity("energy")),
                    may("neuron_time", Quantity("time")),
                    may("synapse_time", Quantity("time")),
                    may("synapse_energy", Quantity("energy")),
                    may("spike_energy", Quantity("energy")),
                    may("update_energy", Quantity("energy")),
                ]
            }
        }
        BlockKind::Chip => {
            const {
                &[
                    may("cores", Blocks(&[BlockKind::Core], &[])),
                    may(
                        "network",
                        Calls(&[(
                            "mesh",
                            &[
                                ("flit", "real"),
                                ("hop", "time"),
                                ("energy", "energy"),
                                ("area", "area"),
                                ("power", "power"),
                                ("concentration", "real"),
                            ],
                        )]),
                    ),
                    may(
                        "host",
                        Calls(&[("", &[("energy", "energy"), ("time", "time"), ("power", "power"), ("area", "area")])]),
                    ),
                    may("static_power", Quantity("power")),
                    may("area", Quantity("area")),
                    may(
                        "links",
                        Calls(&[(
                            "neighbours",
                            &[("carries", "domain"), ("energy", "energy"), ("time", "time"), ("noise", "real")],
                        )]),
                    ),
                    may("ticks", Word(&["fixed", "lengthen"])),
                    may("converters", Blocks(&[BlockKind::Converter], &[])),
                    may("ideal", Quantity("bool")),
                ]
            }
        }
        BlockKind::Network | BlockKind::Experiment => &[],
    }
}

/// The properties of a connection.
pub const CONNECTION: &[&str] = &["pattern", "synapse", "weight", "delay", "plasticity", "cells"];

/// The options of `deploy`.
pub const OPTIONS: &[Property] = &[
    may("step", Quantity("time")),
    may("minimise", Word(&["energy", "time", "area"])),
    may("accuracy_loss", Quantity("real")),
    may("convert", Word(&["best", "everywhere"])),
    may("calibrate", Other),
    may("chips", Quantity("int")),
    may("after", Other),
    may("compensate", Words(&["drift", "wires", "converters"])),
];

pub fn check(checker: &mut Checker, block: &Block) {
    let properties = properties(block.kind);
    let known: Vec<&str> = properties.iter().map(|property| property.key).collect();
    let fields = fields(&block.body);
    each_known(checker, &fields, &known, a(block.kind));
    each_once(checker, &fields);
    let has = |key: &str| fields.iter().any(|field| field_key(field) == key);
    for property in properties.iter().filter(|property| property.needed && !has(property.key)) {
        missing(checker, block, property.key);
    }
    let is_ideal = |field: &&Field| field_key(field) == "ideal" && matches!(field.value.kind, ExprKind::Bool(true));
    if block.kind == BlockKind::Chip && !has("cores") && !fields.iter().any(is_ideal) {
        missing(checker, block, "cores");
    }
    walk::statements(&block.body, &mut |stmt| match &stmt.kind {
        StmtKind::Connect { fields, .. } => {
            fields.iter().for_each(|field| lasts(checker, field));
            let (named, fields): (Vec<&Field>, Vec<&Field>) = fields.iter().partition(|field| field.named);
            each_once(checker, &named);
            super::pairs::named(checker, &named, &fields);
            each_known(checker, &fields, CONNECTION, "a connection");
            each_once(checker, &fields);
            let known = |field: &&Field| CONNECTION.contains(&field_key(field).as_str());
            let weighed = |field: &&Field| field_key(field) == "weight";
            if fields.iter().all(known) && !fields.iter().chain(&named).any(weighed) {
                checker.report(Code::E0207, "a connection needs a weight", stmt.span, "`weight` is missing");
            }
        }
        StmtKind::Population { values, .. } => {
            values.iter().for_each(|field| lasts(checker, field));
            no_names(checker, values);
            each_once(checker, &values.iter().collect::<Vec<_>>());
            for field in values.iter().filter(|field| field.key.len() > 1) {
                let message = format!("`{}` is no name of a value", field_key(field));
                checker.report(Code::E0501, message, field.span, "such as `x: uniform(0 mm, 1 mm)`");
            }
        }
        StmtKind::Deploy { body, .. } => {
            let fields = self::fields(body);
            let known: Vec<&str> = OPTIONS.iter().map(|option| option.key).collect();
            each_known(checker, &fields, &known, "`deploy`");
            each_once(checker, &fields);
        }
        StmtKind::Run { fields, .. } | StmtKind::Present { inputs: fields, .. } => {
            no_names(checker, fields);
            // Elements may be set one after the other.
            each_once(checker, &fields.iter().filter(|field| field.elements.is_empty()).collect::<Vec<_>>());
            let afresh = matches!(stmt.kind, StmtKind::Present { sequence: false, .. });
            fields
                .iter()
                .filter(|field| field_key(field) == "restart")
                .for_each(|field| restart(checker, field, afresh));
            if !matches!(stmt.kind, StmtKind::Run { .. }) {
                for field in fields.iter().filter(|field| field.key.len() == 3) {
                    let message = "only a `run` changes parameters";
                    checker.report(Code::E0401, message, field.span, "has no place here");
                }
            }
            if let StmtKind::Run { clauses, .. } = &stmt.kind {
                for clause in clauses.iter().filter(|clause| !matches!(clause, Clause::Measure(..))) {
                    let message = "a `run` has no samples to compare: it may `measure` what is there at its end";
                    checker.report(Code::E0401, message, walk::of_clause(clause).span, "belongs to `test` or `train`");
                }
            }
            let of_itself = |field: &&Field| ["restart", "skip", "step"].contains(&field_key(field).as_str());
            fields.iter().filter(of_itself).for_each(|field| lasts(checker, field));
        }
        _ => {}
    });
}

/// `x = …` where only fields stand.
fn no_names(checker: &mut Checker, fields: &[Field]) {
    for field in fields.iter().filter(|field| field.named) {
        let message = format!("`{} = …` names an expression, which only a connection does", field_key(field));
        let wrong = Diagnostic::new(Code::E0401, message, field.span, "has no place here");
        checker.diagnostics.push(wrong.with_help(format!("a value is given by `{}: …`", field_key(field))));
    }
}

/// `every 1 ms` belongs to the data of an input.
fn lasts(checker: &mut Checker, field: &Field) {
    if let Some(every) = &field.every {
        let message = format!("`{}` is no input", field_key(field));
        checker.report(Code::E0401, message, every.span, "`every` says how long each row of an input is shown");
    }
}

/// `restart: true`, of what would go on otherwise.
fn restart(checker: &mut Checker, field: &Field, afresh: bool) {
    if !matches!(field.value.kind, ExprKind::Bool(_)) {
        checker.report(Code::E0305, "`restart` is `true` or `false`", field.value.span, "neither");
    } else if afresh {
        let message = "only a `run` or a `sequence` can restart";
        checker.report(Code::E0401, message, field.value.span, "each of these samples starts afresh anyway");
    }
}

/// The key of a field, its words joined.
pub fn field_key(field: &Field) -> String {
    field.key.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// The properties that stand in a body.
pub fn fields(body: &[Stmt]) -> Vec<&Field> {
    body.iter().filter_map(|stmt| if let StmtKind::Field(field) = &stmt.kind { Some(field) } else { None }).collect()
}

pub fn key_span(field: &Field) -> Span {
    match (field.key.first(), field.key.last()) {
        (Some(first), Some(last)) => first.span.to(last.span),
        (_, _) => field.span,
    }
}

fn each_known(checker: &mut Checker, fields: &[&Field], known: &[&str], place: &str) {
    for field in fields {
        let key = field_key(field);
        if !known.contains(&key.as_str()) {
            let message = format!("{place} has no property `{key}`");
            let unknown = Diagnostic::new(Code::E0501, message, key_span(field), "unknown property");
            let others = [BlockKind::Device, BlockKind::Converter, BlockKind::Tile, BlockKind::Core, BlockKind::Chip];
            let owner = others.into_iter().find(|kind| properties(*kind).iter().any(|property| property.key == key));
            let help = match owner {
                Some(owner) => format!("`{key}` is a property of {}", a(owner)),
                None => {
                    let equations = known.contains(&"method");
                    let foreign = equations.then(|| instead(&key)).flatten();
                    foreign.unwrap_or_else(|| suggestion(&key, known.iter().copied()))
                }
            };
            checker.diagnostics.push(unknown.with_help(help));
        }
    }
}

fn each_once(checker: &mut Checker, fields: &[&Field]) {
    for (index, field) in fields.iter().enumerate() {
        let key = field_key(field);
        if let Some(first) = fields[..index].iter().find(|first| field_key(first) == key) {
            let twice = Diagnostic::new(Code::E0520, format!("`{key}` is given twice"), key_span(field), "given again");
            checker.diagnostics.push(twice.with_label(key_span(first), "first given here"));
        }
    }
}

fn missing(checker: &mut Checker, block: &Block, key: &str) {
    let message = format!("{} needs `{key}`", a(block.kind));
    let example = match key {
        "cells" => "cells: hfox_1t1r[256, 256]",
        "input" => "input: pulse_width(bits: 4)",
        "sense" => "sense: sar(bits: 6)",
        "cores" => "cores: grid(8, 6) of cim",
        _ => "implements: relu",
    };
    let missing = Diagnostic::new(Code::E0502, message, block.name.span, format!("`{key}` is missing"));
    checker.diagnostics.push(missing.with_help(format!("such as `{example}`")));
}

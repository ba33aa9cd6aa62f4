//! A statement stands in a kind of block that has a meaning for it.

use nmc_grammar::ast::{AssignOp, Block, BlockKind, ExprKind, Phase, Stmt, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::{Checker, a, walk};

pub fn check(checker: &mut Checker, block: &Block) {
    let may = allowed(block.kind);
    for stmt in &block.body {
        level(checker, stmt, may, a(block.kind));
    }
}

/// One statement and those within it.
fn level(checker: &mut Checker, stmt: &Stmt, may: &[&str], place: &str) {
    let word = word(stmt);
    if !may.contains(&word) {
        return misplaced(checker, stmt, word, may, place);
    }
    // What may stand within; of statements without a body it does not matter.
    let (may, place): (&[&str], &str) = match &stmt.kind {
        StmtKind::Deploy { .. } => (&["field", "pin"], "`deploy`"),
        StmtKind::SpikeWhen { .. } => (&["=", "change", "hold"], "a reset"),
        StmtKind::When { .. } => (&["=", "change"], "an event"),
        StmtKind::On { .. } | StmtKind::Trace { .. } => (&["=", "change"], "a rule"),
        StmtKind::Every { body, .. } => {
            // What is drawn anew is done with.
            let early = body.iter().rev().skip(1).find(|stmt| matches!(stmt.kind, StmtKind::Rewire { .. }));
            if let Some(early) = early {
                let message = "`rewire when …` is the last thing that `every` does";
                checker.report(Code::E0401, message, early.span, "something follows");
            }
            (&["=", "change", "rewire"], "`every`")
        }
        _ => (may, place),
    };
    walk::bodies(stmt).into_iter().flatten().for_each(|stmt| level(checker, stmt, may, place));
}

fn misplaced(checker: &mut Checker, stmt: &Stmt, word: &str, may: &[&str], place: &str) {
    let (what, home) = spoken(word);
    let message = format!("{what} has no place in {place}");
    let holds: Vec<&str> = may.iter().map(|word| spoken(word).0).collect();
    let label = format!("{place} holds {}", listed(&holds));
    let key =
        if let StmtKind::Field(field) = &stmt.kind { field.key.first().map(|key| key.text.as_str()) } else { None };
    let name = match &stmt.kind {
        StmtKind::Assign { target, .. } => {
            if let ExprKind::Name(name) = &target.kind {
                Some(name.as_str())
            } else {
                None
            }
        }
        _ => None,
    };
    let help = match (key, name) {
        _ if word == "if" && may.contains(&"spike when") => String::from(
            "what happens at a threshold is `spike when v > … { v = … }`; one of two values is `if c then a else b`",
        ),
        (Some(key), _) if may.contains(&"=") => format!("`{key} = …` gives a value a name"),
        (_, Some(name)) if word == "=" && may.contains(&"field") => format!("a property is written `{name}: …`"),
        _ => String::from(home),
    };
    checker.diagnostics.push(Diagnostic::new(Code::E0401, message, stmt.span, label).with_help(help));
}

/// `a, b and c`, each once.
fn listed(words: &[&str]) -> String {
    let mut words = words.to_vec();
    words.dedup();
    match &words[..] {
        [] => String::from("nothing"),
        [one] => (*one).to_string(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

/// What a statement is called in the tables.
fn word(stmt: &Stmt) -> &'static str {
    match &stmt.kind {
        StmtKind::Population { .. } => "population",
        StmtKind::Connect { .. } => "connect",
        StmtKind::Probe { .. } => "probe",
        StmtKind::Flow { .. } => "->",
        StmtKind::Input { .. } => "input",
        StmtKind::State { .. } => "state",
        StmtKind::Next { .. } => "next",
        StmtKind::Trace { .. } => "trace",
        StmtKind::Derivative { .. } => "'",
        StmtKind::SpikeWhen { .. } => "spike when",
        StmtKind::When { .. } => "when",
        StmtKind::On { .. } => "on",
        StmtKind::Every { .. } => "every",
        StmtKind::Hold { .. } => "hold",
        StmtKind::Rewire { .. } => "rewire",
        StmtKind::Bounds { .. } => "in",
        StmtKind::Emit { .. } => "emit",
        StmtKind::EmitOnce { .. } => "emit once",
        StmtKind::EmitWhen { .. } => "emit when",
        StmtKind::Assign { op: AssignOp::Set, target, .. } => {
            if matches!(target.kind, ExprKind::Member(..)) {
                "change"
            } else {
                "="
            }
        }
        StmtKind::Assign { .. } => "change",
        StmtKind::Field(_) => "field",
        StmtKind::For { .. } => "for",
        StmtKind::If { .. } => "if",
        StmtKind::Deploy { .. } => "deploy",
        StmtKind::Pin { .. } => "pin",
        StmtKind::Data { .. } => "data",
        StmtKind::Run { .. } => "run",
        StmtKind::Present { phase: Phase::Train, .. } => "train",
        StmtKind::Present { phase: Phase::Test, .. } => "test",
        StmtKind::Require { .. } => "require",
        StmtKind::Report { .. } => "report",
    }
}

/// What each kind of block may hold.
fn allowed(kind: BlockKind) -> &'static [&'static str] {
    match kind {
        BlockKind::Network => &["population", "connect", "probe", "state", "next", "->", "=", "for", "if"],
        BlockKind::Neuron => &[
            "input",
            "state",
            "trace",
            "'",
            "=",
            "in",
            "spike when",
            "when",
            "emit",
            "emit once",
            "emit when",
            "field",
        ],
        BlockKind::Synapse => &["state", "trace", "'", "=", "in", "on", "every", "field"],
        BlockKind::Plasticity => &["state", "trace", "'", "=", "in", "on", "every", "field"],
        BlockKind::Encoder => {
            &["state", "trace", "'", "=", "in", "spike when", "emit", "emit once", "emit when", "field"]
        }
        BlockKind::Decoder => &["state", "trace", "'", "=", "in", "on", "field"],
        BlockKind::Device => &["input", "state", "'", "=", "in", "spike when", "when", "field"],
        BlockKind::Unit => &["=", "field"],
        BlockKind::Converter | BlockKind::Tile | BlockKind::Core | BlockKind::Chip => &["field"],
        BlockKind::Experiment => &["deploy", "data", "run", "train", "test", "require", "report"],
    }
}

/// A statement in words, and where it belongs.
fn spoken(word: &str) -> (&'static str, &'static str) {
    match word {
        "population" => ("`population`", "populations stand in a network"),
        "connect" => ("`connect`", "connections stand in a network"),
        "probe" => ("`probe`", "probes stand in a network"),
        "->" => ("a signal flow (`->`)", "signals flow in a network"),
        "input" => ("`input`", "inputs are declared in a neuron or a device"),
        "state" => ("`state`", "states are declared in a network, or a block of equations such as a neuron"),
        "next" => ("`next`", "what a state becomes is said in a network"),
        "trace" => ("`trace`", "traces are declared in a plasticity rule, a synapse, a neuron or a decoder"),
        "'" => (
            "a differential equation",
            "equations stand in a neuron, synapse, plasticity rule, encoder, decoder or device",
        ),
        "spike when" => ("`spike when`", "neurons, encoders and devices spike"),
        "when" => ("`when … { … }`", "events that are no spikes stand in neurons and devices"),
        "on" => ("`on`", "rules for spikes stand in a synapse, a plasticity rule or a decoder"),
        "every" => (
            "`every … { … }`",
            "what is done at intervals stands in a synapse or a plasticity rule; how often a probe records is `probe a.v every 1 ms`",
        ),
        "hold" => ("`hold`", "a state is held in the braces after `spike when …`"),
        "rewire" => ("`rewire when …`", "synapses are drawn anew in `every … { … }` of a synapse or a plasticity rule"),
        "in" => ("bounds (`x in a .. b`)", "bounds stand in a block of equations"),
        "emit" => ("`emit`", "neurons and encoders emit spikes"),
        "emit once" => ("`emit once`", "neurons and encoders emit spikes"),
        "emit when" => ("`emit when`", "neurons and encoders emit spikes"),
        "=" => ("`=`", "names are given in a network or a block of equations"),
        "change" => (
            "a change (`+=`, `post.v = …`)",
            "changes stand in the braces of `on …`, `every …`, `when …` or `spike when …`",
        ),
        "field" => ("a property (`name: …`)", "properties stand in hardware blocks and in `deploy`"),
        "for" => ("`for`", "repetition is for the structure of a network"),
        "if" => ("`if`", "as a statement `if` is for the structure of a network; elsewhere write `if c then a else b`"),
        "deploy" => ("`deploy`", "`deploy` stands in an experiment"),
        "pin" => ("`pin`", "`pin` stands in the braces after `deploy …`"),
        "data" => ("`data`", "`data` stands in an experiment; in a network write `name = load(…)`"),
        "run" => ("`run`", "`run` stands in an experiment"),
        "train" => ("`train`", "`train` stands in an experiment"),
        "test" => ("`test`", "`test` stands in an experiment"),
        "require" => ("`require`", "`require` stands in an experiment"),
        _ => ("`report`", "`report` stands in an experiment"),
    }
}

//! Layers as the text of a program: one statement for each layer with weights, what follows it in the same line.

use std::collections::BTreeSet;

use super::{Argument, Array, From, Layer, Layers, Population, Shown, Step, Windows};

/// Words of the language that name nothing.
const TAKEN: &[&str] = &[
    "and",
    "at",
    "chip",
    "connect",
    "const",
    "converter",
    "core",
    "data",
    "decoder",
    "deploy",
    "device",
    "else",
    "emit",
    "encoder",
    "every",
    "expect",
    "experiment",
    "false",
    "for",
    "hold",
    "if",
    "in",
    "input",
    "iterate",
    "measure",
    "network",
    "neuron",
    "not",
    "of",
    "on",
    "once",
    "or",
    "pin",
    "plasticity",
    "population",
    "probe",
    "report",
    "require",
    "run",
    "sequence",
    "spike",
    "state",
    "synapse",
    "test",
    "then",
    "tile",
    "trace",
    "train",
    "true",
    "unit",
    "use",
    "when",
    "w",
    "relu",
    "sigmoid",
    "tanh",
    "flatten",
    "reshape",
    "dense",
    "transposed",
    "conv2d",
    "max_pool",
    "average_pool",
    "concat",
    "delay",
    "scale",
    "load",
    "real",
    "spikes",
    "bits",
    "step",
    "sign",
    "abs",
    "clamp",
    "exp",
    "log",
    "max",
    "min",
    "sqrt",
    "softmax",
    "winner_take_all",
];

/// Names that are not given yet.
struct Names(BTreeSet<String>);

impl Names {
    /// A name like this one.
    fn make(&mut self, like: &str) -> String {
        let kept: String = like.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let kept = kept.trim_matches('_');
        let base = match kept.chars().next() {
            Some(first) if first.is_ascii_alphabetic() => kept.to_lowercase(),
            Some(_) | None => format!("x{kept}").to_lowercase(),
        };
        let mut name = base.clone();
        let mut number = 2;
        while TAKEN.contains(&name.as_str()) || self.0.contains(&name) {
            name = format!("{base}_{number}");
            number += 1;
        }
        self.0.insert(name.clone());
        name
    }
}

/// The program.
pub fn program(layers: &Layers, (file, made_by): (&str, &str), name: &str, weights_file: &str) -> String {
    let mut names = Names(layers.uses.iter().filter_map(|path| path.rsplit('.').next()).map(String::from).collect());
    names.0.extend(layers.populations.iter().map(|population| population.block.to_string()));
    let network = names.make(name);
    let inputs: Vec<String> = layers.inputs.iter().map(|(name, _)| names.make(name)).collect();
    let outputs: Vec<String> = layers.outputs.iter().map(|(name, _)| names.make(name)).collect();
    let port = |name: &String, shape: &[usize]| {
        let lens: Vec<String> = shape.iter().map(usize::to_string).collect();
        format!("{name}: real[{}]", lens.join(", "))
    };
    let takes: Vec<String> = inputs.iter().zip(&layers.inputs).map(|(name, (_, shape))| port(name, shape)).collect();
    let gives: Vec<String> =
        outputs.iter().zip(&layers.outputs).map(|(name, (_, from))| port(name, shape_of(layers, *from))).collect();
    let from = if made_by.is_empty() { String::new() } else { format!(", made by {made_by}") };
    let mut text =
        format!("// {file} as imported by nmc{from}. To run it, give it samples:\n//   experiment ideal {{\n");
    let (step, each, time) = match layers.shown {
        Shown::Whole | Shown::Stepped => Default::default(),
        Shown::InTime { step, sample } => {
            (format!(" {{ step: {step} }}"), format!(" every {step}"), format!(" for {sample}"))
        }
    };
    text += &format!("//       deploy {network}{step}\n//       data samples = load(\"samples.npz\")\n");
    text += &format!(
        "//       test {{ {}: samples.x{each} }}{time} expect argmax({}) == samples.y\n//   }}\n",
        inputs[0], outputs[0]
    );
    text += match layers.shown {
        Shown::Whole => "\n",
        Shown::Stepped => "// Its samples are [samples, steps, …]: the network is shown a step at a time.\n\n",
        Shown::InTime { .. } => {
            "// Its samples are [samples, steps, …], a row a step. The model tells no step: take the one it was made with.\n\n"
        }
    };
    for path in &layers.uses {
        text += &format!("use {path}\n");
    }
    for block in &layers.blocks {
        text += &format!("\n{block}\n");
    }
    text += &format!("network {network}({}) -> ({}) {{\n", takes.join(", "), gives.join(", "));
    if layers.arrays().next().is_some() {
        text += &format!("    w = load(\"{weights_file}\")\n");
    }
    text += &statements(layers, &mut names, &inputs, &outputs);
    text + "}\n"
}

fn shape_of(layers: &Layers, from: From) -> &[usize] {
    match from {
        From::Input(index) => &layers.inputs[index].1,
        From::Step(index) => &layers.steps[index].shape,
        From::State(index) => std::slice::from_ref(&layers.states[index].len),
        From::Population(index) => std::slice::from_ref(&layers.populations[index].len),
    }
}

fn weights(step: &Step) -> Option<&Array> {
    step.layer.arrays()[0]
}

/// A chain of layers that is not named yet.
#[derive(Clone)]
struct Chain {
    text: String,
    /// The array of its layer with weights.
    weights: Option<String>,
}

fn statements(layers: &Layers, names: &mut Names, inputs: &[String], outputs: &[String]) -> String {
    let mut text = String::new();
    let readers = |from: From| {
        let of_steps = layers.steps.iter().flat_map(|step| &step.from).filter(|of| **of == from).count();
        let of_states = layers.states.iter().filter(|state| state.next == Some(from)).count();
        let driven = layers.populations.iter().filter(|population| population.drive == Some(from)).count();
        of_steps + of_states + driven + layers.outputs.iter().filter(|(_, of)| *of == from).count()
    };
    let mut chains: Vec<Chain> = Vec::new();
    let states: Vec<String> = layers.states.iter().map(|state| names.make(&state.name)).collect();
    for (name, state) in states.iter().zip(&layers.states) {
        text += &format!("    state {name}: real[{}] = 0\n", state.len);
    }
    let populations: Vec<String> = layers.populations.iter().map(|population| names.make(&population.name)).collect();
    for (name, population) in populations.iter().zip(&layers.populations) {
        text += &declared(name, population);
    }
    for (name, population) in populations.iter().zip(&layers.populations) {
        if let Some((source, delay, unit)) = population.delayed {
            text += &format!(
                "    connect {} -> {name} {{ pattern: one_to_one, synapse: pass(), weight: 1, delay: {} {unit} }}\n",
                populations[source],
                shortest(delay)
            );
        }
    }
    let of = |from: From, chains: &[Chain]| match from {
        From::Input(index) => Chain { text: inputs[index].clone(), weights: None },
        From::Step(index) => chains[index].clone(),
        From::State(index) => Chain { text: states[index].clone(), weights: None },
        From::Population(index) => {
            let value = layers.populations[index].value.map_or(String::new(), |state| format!(".{state}"));
            Chain { text: format!("{}{value}", populations[index]), weights: None }
        }
    };
    for (index, step) in layers.steps.iter().enumerate() {
        let before: Vec<Chain> = step.from.iter().map(|from| of(*from, &chains)).collect();
        let mut chain = Chain {
            text: written(step, &before),
            weights: weights(step).map(|array| array.name.clone()).or_else(|| before[0].weights.clone()),
        };
        // It gets a name where several read it, or what comes next is no pipe or has weights of its own.
        let next = layers.steps[index + 1..].iter().find(|next| next.from.contains(&From::Step(index)));
        let ends = next.is_some_and(|next| {
            let composed = matches!(next.layer, Layer::Formula(_));
            next.from.len() > 1 || composed || (weights(next).is_some() && chain.weights.is_some())
        });
        if readers(From::Step(index)) > 1 || ends {
            let like = chain.weights.as_deref().and_then(|name| name.strip_suffix(".weight"));
            let name = names.make(like.filter(|_| step.from.len() == 1).unwrap_or(&step.name));
            text += &wrapped(&format!("    {name} = {}", chain.text));
            chain = Chain { text: name, weights: None };
        }
        chains.push(chain);
    }
    for (name, state) in states.iter().zip(&layers.states) {
        if let Some(next) = state.next {
            text += &wrapped(&format!("    next {name} = {}", of(next, &chains).text));
        }
    }
    for (name, population) in populations.iter().zip(&layers.populations) {
        if let Some(drive) = population.drive {
            text += &wrapped(&format!("    {} -> {name}.x", of(drive, &chains).text));
        }
    }
    for ((_, from), output) in layers.outputs.iter().zip(outputs) {
        text += &wrapped(&format!("    {} -> {output}", of(*from, &chains).text));
    }
    let probed = populations.iter().zip(&layers.populations).filter(|(_, population)| population.probed);
    for (name, _) in probed {
        text += &format!("    probe {name}.spikes\n");
    }
    text
}

fn declared(name: &str, population: &Population) -> String {
    let unit = |unit: &str, by: &str| if unit.is_empty() { String::new() } else { format!("{by}{unit}") };
    let arguments: Vec<String> = population
        .arguments
        .iter()
        .map(|(parameter, argument, of)| match argument {
            Argument::Number(number) => format!("{parameter}: {}{}", shortest(*number), unit(of, " ")),
            Argument::Array(array) => format!("{parameter}: w[\"{}\"]{}", array.name, unit(of, " * 1 ")),
        })
        .collect();
    format!("    population {name}: {}[{}]({})\n", population.block, population.len, arguments.join(", "))
}

/// A number in as few digits as tell it.
pub fn shortest(number: f64) -> String {
    let digits = match number as f32 {
        single if f64::from(single) == number => format!("{single:?}"),
        _ => format!("{number:?}"),
    };
    digits.strip_suffix(".0").map(String::from).unwrap_or(digits)
}

/// A statement in lines that end before a pipe where they would be long.
fn wrapped(statement: &str) -> String {
    const LONG: usize = 100;
    let (mut text, mut len) = (String::new(), 0);
    for (index, layer) in statement.split(" |> ").enumerate() {
        let piped = if index > 0 { " |> " } else { "" };
        if index > 0 && len + piped.len() + layer.len() > LONG {
            text += "\n        |> ";
            len = 11 + layer.len();
        } else {
            text += piped;
            len += piped.len() + layer.len();
        }
        text += layer;
    }
    text + "\n"
}

/// Numbers in parentheses; one, where all are the same.
fn numbers(all: &[usize]) -> String {
    match all.iter().all(|number| *number == all[0]) {
        true => all[0].to_string(),
        false => format!("({})", all.iter().map(usize::to_string).collect::<Vec<String>>().join(", ")),
    }
}

/// How windows lie, where it is not the usual way.
fn laid(windows: &Windows, stride: [usize; 2]) -> String {
    let [rows, columns] = windows.padding;
    let padding = match rows[0] == rows[1] && columns[0] == columns[1] {
        true => vec![rows[0], columns[0]],
        false => [rows, columns].concat(),
    };
    let all = [
        ("stride", &windows.stride[..], &stride[..]),
        ("padding", &padding, &[0; 4][..padding.len()]),
        ("dilation", &windows.dilation, &[1; 2]),
    ];
    let told = all.into_iter().filter(|(_, given, usual)| given != usual);
    told.map(|(name, given, _)| format!(", {name}: {}", numbers(given))).collect()
}

/// A layer behind what comes before it.
fn written(step: &Step, before: &[Chain]) -> String {
    let first = &before[0].text;
    let bias =
        |bias: &Option<Array>| bias.as_ref().map_or(String::new(), |bias| format!(", bias: w[\"{}\"]", bias.name));
    match &step.layer {
        Layer::Dense { weights, bias: added } => format!("{first} |> dense(w[\"{}\"]{})", weights.name, bias(added)),
        Layer::Convolution { weights, bias: added, windows, groups } => {
            let groups = if *groups == 1 { String::new() } else { format!(", groups: {groups}") };
            let rest = [laid(windows, [1; 2]), groups].concat();
            format!("{first} |> conv2d(w[\"{}\"]{}{rest})", weights.name, bias(added))
        }
        Layer::Pool { largest, windows } => {
            let name = if *largest { "max_pool" } else { "average_pool" };
            format!("{first} |> {name}({}{})", numbers(&windows.size), laid(windows, windows.size))
        }
        Layer::Function(name) => format!("{first} |> {name}"),
        Layer::Flatten => format!("{first} |> flatten"),
        Layer::Reshape => {
            let lens: Vec<String> = step.shape.iter().map(usize::to_string).collect();
            format!("{first} |> reshape({})", lens.join(", "))
        }
        Layer::Concat => {
            let parts: Vec<String> = before.iter().map(|chain| chain.text.clone()).collect();
            let lens: Vec<String> = step.shape.iter().map(usize::to_string).collect();
            match lens.len() {
                1 => format!("concat({})", parts.join(", ")),
                _ => format!("concat({}) |> reshape({})", parts.join(", "), lens.join(", ")),
            }
        }
        Layer::Formula(formula) => before
            .iter()
            .enumerate()
            .fold(formula.clone(), |text, (index, chain)| text.replace(&format!("{{{index}}}"), &chain.text)),
        Layer::Arithmetic { sign, number: None } => format!("({first} {sign} {})", before[1].text),
        Layer::Arithmetic { sign, number: Some(number) } => {
            let first = if first.contains(' ') { format!("({first})") } else { first.clone() };
            format!("({first} {sign} {})", shortest(*number))
        }
    }
}

//! The nodes of a NIR graph as layers and populations: what neurons take are numbers, a spike being 1 in the step after it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::file::{Graph, Node};
use super::linear;
use super::neurons::{NEURONS, Neuron, RELAY, RELAY_BLOCKS, Time};
use crate::layers::{From, Layer, Layers, Population, Shown, Step};

/// Why there are no layers.
pub enum Problem {
    Damaged(String),
    /// Each node that cannot be had, and why.
    Unsupported(Vec<String>),
}

/// What a node gives.
#[derive(Debug, Clone)]
pub enum Value {
    /// Numbers; `spiking`: sums of spikes, which mean nothing after their step.
    Signal { from: From, shape: Vec<usize>, spiking: bool },
    /// The spikes of a population.
    Spikes { population: usize, shape: Vec<usize> },
    /// Of a node that cannot be had: what follows is not told again.
    Unknown,
}

/// A node at work: why it cannot be had, in words.
pub type Made<T> = Result<T, String>;

/// Layers in the making.
pub struct Reader<'a> {
    pub layers: Layers,
    graph: &'a Graph,
    time: Time,
    sources: BTreeMap<&'a str, Vec<&'a str>>,
    values: BTreeMap<&'a str, Value>,
    /// Of each population, its spikes as numbers.
    seen: BTreeMap<usize, From>,
}

/// Reads the layers.
pub fn layers(graph: &Graph, time: Time) -> Result<Layers, Problem> {
    let sources = graph.sources().map_err(Problem::Damaged)?;
    let mut reader =
        Reader { layers: Layers::default(), graph, time, sources, values: BTreeMap::new(), seen: BTreeMap::new() };
    let mut unsupported: BTreeSet<String> = BTreeSet::new();
    let mut told = |name: &str, kind: &str, why: String| {
        unsupported.insert(format!("{kind} `{name}`: {why}"));
        Value::Unknown
    };
    let mut driven: Vec<&str> = Vec::new();
    let mut steps = Vec::new();
    for (name, node) in &graph.nodes {
        if let Some(neuron) = neuron(node) {
            let value = reader.neurons(name, node, neuron, time);
            if value.is_ok() {
                driven.push(name);
                steps.push(neuron);
            }
            let value = value.unwrap_or_else(|why| told(name, &node.kind, why));
            reader.values.insert(name, value);
        }
    }
    for name in reader.order().map_err(|looped| {
        let all = looped.join("`, `");
        Problem::Unsupported(vec![format!("`{all}`: a loop without a neuron in it")])
    })? {
        let node = &graph.nodes[name];
        let value = reader.value(name, node).unwrap_or_else(|why| told(name, &node.kind, why));
        reader.values.insert(name, value);
    }
    for (population, name) in driven.into_iter().enumerate() {
        if let Err(why) = reader.drive(population, name) {
            told(name, &graph.nodes[name].kind, why);
        }
    }
    if !unsupported.is_empty() {
        return Err(Problem::Unsupported(unsupported.into_iter().collect()));
    }
    let mut layers = reader.layers;
    if layers.inputs.is_empty() || layers.outputs.is_empty() {
        return Err(Problem::Damaged(String::from("its graph has no input or no output")));
    }
    // Without time constants a step is one of the file's units of time.
    let paced = steps.iter().flat_map(|neuron| neuron.parameters).any(|name| name.starts_with("tau"));
    layers.shown = match (paced, time) {
        (true, _) => Shown::InTime { step: "0.1 ms", sample: "100 ms" },
        (false, Time::Seconds) => Shown::InTime { step: "1 s", sample: "100 s" },
        (false, Time::Milliseconds) => Shown::InTime { step: "1 ms", sample: "100 ms" },
    };
    let used = |neuron: &&Neuron| layers.populations.iter().any(|population| population.block == neuron.name);
    layers.blocks = NEURONS.iter().filter(used).map(|neuron| neuron.block).collect();
    if layers.populations.iter().any(|population| population.block == RELAY) {
        layers.blocks.extend(RELAY_BLOCKS);
    }
    let called = |name: &str| layers.steps.iter().any(|step| matches!(step.layer, Layer::Function(of) if of == name));
    layers.uses = ["count", "per_step"]
        .into_iter()
        .filter(|name| called(name))
        .map(|name| if name == "count" { "std.code.count" } else { "std.code.per_step" })
        .collect();
    Ok(layers)
}

fn neuron(node: &Node) -> Option<&'static Neuron> {
    NEURONS.iter().find(|neuron| neuron.kind == node.kind)
}

impl<'a> Reader<'a> {
    /// All nodes but neurons, each after what leads to it; the error has those of a loop.
    fn order(&self) -> Result<Vec<&'a str>, Vec<String>> {
        let graph = self.graph;
        let plain = |name: &str| graph.nodes.get(name).is_some_and(|node| neuron(node).is_none());
        let (mut waits, mut readers): (BTreeMap<&str, usize>, BTreeMap<&str, Vec<&str>>) = Default::default();
        for name in graph.nodes.keys().filter(|name| plain(name)) {
            let sources = self.sources.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            let before: Vec<&&str> = sources.iter().filter(|source| plain(source)).collect();
            waits.insert(name, before.len());
            before.into_iter().for_each(|source| readers.entry(source).or_default().push(name));
        }
        let mut ready: VecDeque<&str> = waits.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
        let mut order = Vec::new();
        while let Some(name) = ready.pop_front() {
            order.push(name);
            waits.remove(name);
            for reader in readers.get(name).into_iter().flatten() {
                if let Some(count) = waits.get_mut(reader) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push_back(reader);
                    }
                }
            }
        }
        match waits.is_empty() {
            true => Ok(order),
            false => Err(waits.into_keys().map(String::from).collect()),
        }
    }

    fn neurons(&mut self, name: &str, node: &Node, neuron: &Neuron, time: Time) -> Made<Value> {
        let (population, shape) = neuron.population(&plain(name), node, time)?;
        let index = self.layers.populations.len();
        self.layers.populations.push(population);
        Ok(match neuron.spikes {
            true => Value::Spikes { population: index, shape },
            false => self.formed(From::Population(index), name, &[shape.iter().product()], &shape, false),
        })
    }

    /// A signal of another shape, and the same elements.
    pub fn formed(&mut self, from: From, name: &str, before: &[usize], shape: &[usize], spiking: bool) -> Value {
        let from = match (before == shape, shape.len()) {
            (true, _) => from,
            (false, 1) => self.step(name, Layer::Flatten, vec![from], shape),
            (false, _) => self.step(name, Layer::Reshape, vec![from], shape),
        };
        Value::Signal { from, shape: shape.to_vec(), spiking }
    }

    pub fn step(&mut self, name: &str, layer: Layer, from: Vec<From>, shape: &[usize]) -> From {
        self.layers.steps.push(Step { name: plain(name), layer, from, shape: shape.to_vec() });
        From::Step(self.layers.steps.len() - 1)
    }

    /// A value as numbers.
    fn signal(&mut self, value: Value) -> (From, Vec<usize>, bool) {
        match value {
            Value::Signal { from, shape, spiking } => (from, shape, spiking),
            Value::Spikes { population, shape } => {
                let (name, len) =
                    (self.layers.populations[population].name.clone(), self.layers.populations[population].len);
                let known = self.seen.get(&population).copied();
                let name = format!("{name}_spikes");
                let from = known.unwrap_or_else(|| {
                    self.step(&name, Layer::Function("per_step"), vec![From::Population(population)], &[len])
                });
                self.seen.insert(population, from);
                match self.formed(from, &name, &[len], &shape, true) {
                    Value::Signal { from, shape, spiking } => (from, shape, spiking),
                    Value::Spikes { .. } | Value::Unknown => (from, shape, true),
                }
            }
            Value::Unknown => (From::Input(0), Vec::new(), false),
        }
    }

    /// What leads to a node: one value, or the sum of several; none where one of them is not known.
    fn taken(&mut self, name: &str) -> Made<Option<Value>> {
        let mut values = Vec::new();
        for source in self.sources.get(name).into_iter().flatten() {
            match self.values.get(source) {
                Some(Value::Unknown) => return Ok(None),
                Some(value) => values.push(value.clone()),
                None => return Err(format!("nothing gives `{source}`")),
            }
        }
        let Some(first) = values.pop() else { return Err(String::from("nothing leads to it")) };
        if values.is_empty() {
            return Ok(Some(first));
        }
        let (mut from, shape, mut spiking) = self.signal(first);
        for value in values.into_iter().rev() {
            let (other, of, also) = self.signal(value);
            if of != shape {
                return Err(format!("{of:?} and {shape:?} lead to it, which cannot be added"));
            }
            spiking |= also;
            from = self.step(name, Layer::Arithmetic { sign: "+", number: None }, vec![other, from], &shape);
        }
        Ok(Some(Value::Signal { from, shape, spiking }))
    }

    fn value(&mut self, name: &str, node: &Node) -> Made<Value> {
        let outermost = !name.contains('/');
        if node.kind == "Input" && outermost {
            let shape = linear::sizes(node, "shape")?;
            // `in` and `input` are words of the language.
            let known = if matches!(name, "in" | "input") { "x" } else { name };
            self.layers.inputs.push((plain(known), shape.clone()));
            let from = From::Input(self.layers.inputs.len() - 1);
            return Ok(Value::Signal { from, shape, spiking: false });
        }
        let Some(taken) = self.taken(name)? else { return Ok(Value::Unknown) };
        match node.kind.as_str() {
            "Output" if outermost => self.output(name, taken),
            // Ends of inner graphs.
            "Input" | "Output" => Ok(taken),
            "Flatten" => {
                let (Value::Signal { shape, .. } | Value::Spikes { shape, .. }) = &taken else { return Ok(taken) };
                let flat = linear::flattened(node, shape)?;
                match taken {
                    Value::Signal { from, shape, spiking } => Ok(self.formed(from, name, &shape, &flat, spiking)),
                    Value::Spikes { population, .. } => Ok(Value::Spikes { population, shape: flat }),
                    Value::Unknown => Ok(taken),
                }
            }
            "Delay" if matches!(taken, Value::Spikes { .. }) => self.delay(name, node, taken),
            _ => {
                let (from, shape, spiking) = self.signal(taken);
                self.linear(name, node, from, &shape, spiking)
            }
        }
    }

    /// Spikes as numbers, later.
    fn delay(&mut self, name: &str, node: &Node, taken: Value) -> Made<Value> {
        let Value::Spikes { population: source, shape } = taken else { return Ok(Value::Unknown) };
        let delays = &linear::numbers(node, "delay")?.values;
        let (Some(&delay), len) = (delays.first(), shape.iter().product()) else {
            return Err(String::from("its `delay` is empty"));
        };
        if delays.iter().any(|other| *other != delay) {
            return Err(String::from("its delays differ: only one of all can be had"));
        }
        if !(delay >= 0.0 && delay.is_finite()) {
            return Err(format!("its `delay` is {delay}"));
        }
        if delay == 0.0 {
            return Ok(Value::Spikes { population: source, shape });
        }
        let (delayed, arguments) = (Some((source, delay, self.time.unit())), Vec::new());
        let (called, block, drive, value) = (plain(name), RELAY, None, Some("v"));
        let relay = Population { name: called, block, len, arguments, drive, delayed, value, probed: false };
        self.layers.populations.push(relay);
        let from = From::Population(self.layers.populations.len() - 1);
        Ok(self.formed(from, name, &[len], &shape, true))
    }

    fn output(&mut self, name: &str, taken: Value) -> Made<Value> {
        let from = match taken {
            Value::Spikes { population, shape } => {
                self.layers.populations[population].probed = true;
                let len = self.layers.populations[population].len;
                let from = self.step(name, Layer::Function("count"), vec![From::Population(population)], &[len]);
                match self.formed(from, name, &[len], &shape, false) {
                    Value::Signal { from, .. } => from,
                    Value::Spikes { .. } | Value::Unknown => from,
                }
            }
            Value::Signal { spiking: true, .. } => {
                return Err(String::from("it takes a sum of spikes: outputs are of neurons"));
            }
            Value::Signal { from, .. } => from,
            Value::Unknown => return Ok(Value::Unknown),
        };
        self.layers.outputs.push((plain(name), from));
        Ok(Value::Unknown)
    }

    /// Lets a population be driven by what leads to it, if anything does.
    fn drive(&mut self, population: usize, name: &str) -> Made<()> {
        if !self.sources.contains_key(name) {
            return Ok(());
        }
        let Some(taken) = self.taken(name)? else { return Ok(()) };
        let (from, shape, spiking) = self.signal(taken);
        let (len, found) = (self.layers.populations[population].len, shape.iter().product::<usize>());
        if found != len {
            return Err(format!("{found} signals lead to {len} neurons"));
        }
        if let Value::Signal { from, .. } = self.formed(from, name, &shape, &[len], spiking) {
            self.layers.populations[population].drive = Some(from);
        }
        Ok(())
    }
}

/// `graph/node` as a name.
pub fn plain(name: &str) -> String {
    name.replace('/', ".")
}

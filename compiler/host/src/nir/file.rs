//! NIR graphs in HDF5 files: nodes and edges as they are stored, graphs within graphs laid flat.

use std::collections::BTreeMap;

use hdf5_pure::{Dataset, File, Group};

/// A graph without graphs in it. A node of an inner graph is called `graph/node`.
#[derive(Debug, Default)]
pub struct Graph {
    /// Of NIR, as the file has it.
    pub version: String,
    pub nodes: BTreeMap<String, Node>,
    /// From, to.
    pub edges: Vec<(String, String)>,
}

/// A node: its kind and what it is given.
#[derive(Debug)]
pub struct Node {
    pub kind: String,
    pub arrays: BTreeMap<String, Numbers>,
    pub words: BTreeMap<String, String>,
}

/// Numbers and their shape; a single one has no axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// What is wrong with a file, in words.
type Read<T> = Result<T, String>;

/// Graphs in graphs in graphs: deeper than any model.
const DEEPEST: usize = 16;

/// Compressed numbers take at most so many times the room of their file.
const LARGEST: u64 = 1100;

/// Reads the graph.
pub fn graph(bytes: &[u8]) -> Read<Graph> {
    let most = (bytes.len() as u64).saturating_mul(LARGEST);
    let file = File::from_bytes(bytes.to_vec()).map_err(|error| format!("it is no whole HDF5 file ({error})"))?;
    let root = file.root();
    let top = group(&root, "node").map_err(|_| String::from("it is no NIR graph: it has no group `node`"))?;
    let mut graph = Graph { version: word(&root, "version", most)?, ..Graph::default() };
    match word(&top, "type", most)?.as_str() {
        "NIRGraph" => {
            inner(&top, "", &mut graph, most, 0)?;
            Ok(graph)
        }
        kind => Err(format!("it holds a {kind}, no NIRGraph")),
    }
}

fn group(of: &Group, name: &str) -> Read<Group> {
    of.group(name).map_err(|error| format!("`{name}` ({error})"))
}

fn word(of: &Group, name: &str, most: u64) -> Read<String> {
    let dataset = of.dataset(name).map_err(|error| format!("`{name}` is missing ({error})"))?;
    let words = strings(&dataset, name, most)?;
    words.into_iter().next().ok_or_else(|| format!("`{name}` is empty"))
}

fn strings(dataset: &Dataset, name: &str, most: u64) -> Read<Vec<String>> {
    shape(dataset, name, most)?;
    dataset.read_string().map_err(|error| format!("`{name}` holds no words ({error})"))
}

/// The shape of what can be read without taking more room than the file could fill.
fn shape(dataset: &Dataset, name: &str, most: u64) -> Read<Vec<usize>> {
    let broken = |error: hdf5_pure::Error| format!("`{name}` cannot be read ({error})");
    let (shape, size) = (dataset.shape().map_err(broken)?, dataset.element_size().map_err(broken)?);
    let bytes = shape.iter().try_fold(size.max(1), |bytes, &len| bytes.checked_mul(len));
    match bytes.is_some_and(|bytes| bytes <= most) {
        true => Ok(shape.into_iter().map(|len| len as usize).collect()),
        false => Err(format!("`{name}` is {shape:?}, more than the file can hold")),
    }
}

/// Adds the nodes and edges of a graph called `prefix`.
fn inner(of: &Group, prefix: &str, graph: &mut Graph, most: u64, depth: usize) -> Read<()> {
    if depth > DEEPEST {
        return Err(String::from("its graphs lie in one another without end"));
    }
    let named = |name: &str| if prefix.is_empty() { name.to_string() } else { format!("{prefix}/{name}") };
    let nodes = group(of, "nodes")?;
    let names = nodes.groups().map_err(|error| format!("its nodes cannot be read ({error})"))?;
    for name in names {
        let node = group(&nodes, &name)?;
        let path = named(&name);
        let told = |problem: String| format!("node `{path}`: {problem}");
        match word(&node, "type", most).map_err(told)?.as_str() {
            "NIRGraph" => inner(&node, &path, graph, most, depth + 1)?,
            kind => {
                let node = read_node(&node, kind, most).map_err(told)?;
                graph.nodes.insert(path, node);
            }
        }
    }
    let told = |problem: String| format!("its edges: {problem}");
    let edges = of.dataset("edges").map_err(|error| told(error.to_string()))?;
    let is_pairs = shape(&edges, "edges", most).map_err(told)?;
    // A graph of one node has none, whatever their shape is then.
    let pairs = if is_pairs.contains(&0) { Vec::new() } else { strings(&edges, "edges", most).map_err(told)? };
    if !pairs.len().is_multiple_of(2) {
        return Err(told(format!("{is_pairs:?} are no pairs")));
    }
    for pair in pairs.chunks(2) {
        graph.edges.push((named(&pair[0]), named(&pair[1])));
    }
    Ok(())
}

fn read_node(node: &Group, kind: &str, most: u64) -> Read<Node> {
    let mut read = Node { kind: kind.to_string(), arrays: BTreeMap::new(), words: BTreeMap::new() };
    for name in node.datasets().map_err(|error| error.to_string())? {
        let dataset = node.dataset(&name).map_err(|error| error.to_string())?;
        let shape = shape(&dataset, &name, most)?;
        if let Ok(words) = dataset.read_string() {
            read.words.extend(words.into_iter().next().map(|word| (name, word)));
            continue;
        }
        let values = dataset.read_f64().map_err(|error| format!("`{name}` cannot be read ({error})"))?;
        if values.len() != shape.iter().product::<usize>() {
            return Err(format!("`{name}` is {shape:?}, but has {} numbers", values.len()));
        }
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(format!("`{name}` holds {value}"));
        }
        read.arrays.insert(name, Numbers { shape, values });
    }
    Ok(read)
}

impl Graph {
    /// The nodes that lead to each, in the order of edges; an inner graph is left by its outputs and entered by its inputs.
    pub fn sources(&self) -> Read<BTreeMap<&str, Vec<&str>>> {
        let mut sources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (from, to) in &self.edges {
            let (froms, tos) = (self.ends(from, "Output")?, self.ends(to, "Input")?);
            for to in tos {
                sources.entry(to).or_default().extend(&froms);
            }
        }
        Ok(sources)
    }

    /// The node of a name, or the ends of the graph of that name.
    fn ends(&self, name: &str, kind: &str) -> Read<Vec<&str>> {
        if let Some((name, _)) = self.nodes.get_key_value(name) {
            return Ok(vec![name]);
        }
        let inside = |path: &str| path.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
        let within = |path: &str| path[name.len() + 1..].contains('/');
        let ends = self.nodes.iter().filter(|(path, node)| inside(path) && !within(path) && node.kind == kind);
        let ends: Vec<&str> = ends.map(|(path, _)| path.as_str()).collect();
        match ends.is_empty() {
            true => Err(format!("an edge names `{name}`, which is no node")),
            false => Ok(ends),
        }
    }
}

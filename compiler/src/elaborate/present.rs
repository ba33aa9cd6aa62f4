//! `train` and `test`: which data are shown, for how long, what is expected and measured.

use std::sync::Arc;

use nmc_grammar::ast::{Clause, Expr as Ast, ExprKind, Field, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;
use nmc_program::Tensor;

use super::Elaborator;
use super::array::Array;
use super::data::Data;
use super::training::learns;
use crate::files::DataFile;
use crate::forms::network::{Logical, Node, NodeId, Operator};
use crate::forms::plan::{InputData, Phase, PhaseKind};
use crate::quantity::Dimension;

/// A file named on the command line.
struct Given {
    file: Arc<DataFile>,
    path: String,
    /// Which of its arrays, if that was said.
    array: Option<String>,
}

/// A phase of which no more is known yet.
pub fn bare(kind: PhaseKind, sequence: bool, samples: usize, span: Span) -> Phase {
    Phase {
        kind,
        sequence,
        restart: false,
        samples,
        inputs: Vec::new(),
        changes: Vec::new(),
        weights: Vec::new(),
        frozen: Vec::new(),
        every: Vec::new(),
        duration: None,
        taken: 0,
        target: None,
        learning: None,
        metrics: Vec::new(),
        skip: 0,
        after: 0.0,
        span,
    }
}

impl Elaborator<'_> {
    /// A `train` or `test`.
    pub fn present(&mut self, kind: PhaseKind, sequence: bool, inputs: &[Field], clauses: &[Clause], span: Span) {
        let mut phase = bare(kind, sequence, 0, span);
        if self.fields(inputs, &mut phase).is_none() || self.all_fed(&phase).is_none() {
            return;
        }
        for clause in clauses {
            let done = match clause {
                Clause::For(duration) => self.shown_for(duration, &mut phase),
                Clause::Expect(condition) => self.expect(condition, learns(clauses), &mut phase),
                Clause::Measure(name, measure) => self.measure(name, measure, &mut phase),
                Clause::By(_) => Some(()),
            };
            if done.is_none() {
                return;
            }
        }
        if self.learn(clauses, &mut phase).is_none() {
            return;
        }
        if kind == PhaseKind::Train && phase.target.is_none() && phase.learning.is_none() {
            let missing = Diagnostic::new(Code::E0415, "training needs a target", span, "nothing is expected here");
            self.closer.diagnostics.push(missing.with_help("add `expect y == series.x[1..2001]`"));
            return;
        }
        let delayed = |node: &&Node| matches!(node.operator, Operator::Delay);
        if let Some(delay) = self.network.graph.node_weights().find(delayed).filter(|_| !sequence) {
            let word = if kind == PhaseKind::Train { "train" } else { "test" };
            let message = format!("samples of a plain `{word}` each start afresh: a delay would give 0");
            let afresh = Diagnostic::new(Code::E0430, message, span, "no sequence").with_label(delay.span, "the delay");
            self.closer.diagnostics.push(afresh.with_help(format!("write `{word} sequence {{ … }}`")));
            return;
        }
        let in_time = self.has_time();
        if in_time && phase.duration.is_none() {
            let missing = Diagnostic::new(Code::E0414, "say how long each sample is shown", span, "no duration");
            let help = match self.only_states() {
                true => {
                    "the network has states: add `for 20 steps`, or give data with an axis of steps, [samples, steps, …]"
                }
                false => "the network has neurons or devices: add `for 50 ms`",
            };
            self.closer.diagnostics.push(missing.with_help(help));
            return;
        }
        if !in_time {
            phase.duration = None;
        }
        self.late_spikes(inputs, &phase);
        self.at_all_times(phase);
    }

    /// Whether anything in the network moves in time.
    pub fn has_time(&self) -> bool {
        self.network.graph.node_weights().any(|node| matches!(node.operator, Operator::Population { .. }))
    }

    /// `image: digits.x / 255, skip: 100`
    pub fn fields(&mut self, fields: &[Field], phase: &mut Phase) -> Option<()> {
        for field in fields {
            let key = &field.key[0];
            match key.text.as_str() {
                "set" if field.key.len() == 3 => self.change(field, phase)?,
                "freeze" if field.key.len() == 2 => self.freeze(&field.key[1], phase)?,
                "skip" => phase.skip = self.count(&field.value, 0.0)?,
                "restart" => phase.restart = self.restart(&field.value, phase)?,
                // Taken before all else: times are told in it.
                "step" => {}
                name => {
                    let node = self.input(name, key.span)?;
                    let spikes = self.network.graph[node].logical == Logical::Spikes;
                    if let Some(every) = &field.every {
                        let seconds = self.row_time(every, spikes)?;
                        phase.every.push((node, seconds));
                    }
                    let data = if spikes {
                        self.spike_data(node, &field.value, phase)?
                    } else {
                        self.value_data(node, name, &field.value, phase)?
                    };
                    if phase.inputs.iter().any(|(other, _)| *other == node) {
                        self.error(Code::E0410, format!("`{name}` is fed twice"), key.span, "fed again here");
                        return None;
                    }
                    phase.inputs.push((node, data));
                }
            }
        }
        if phase.skip > 0 && phase.skip >= phase.samples {
            let message = format!("all of the {} samples would be left out", phase.samples);
            self.error(Code::E0306, message, phase.span, "`skip` is too large");
            return None;
        }
        Some(())
    }

    /// `restart: true`, of what would go on otherwise.
    fn restart(&mut self, value: &Ast, phase: &Phase) -> Option<bool> {
        // The check has told what it is, and where it may stand.
        if let ExprKind::Bool(restart) = value.kind { Some(restart && phase.sequence) } else { None }
    }

    fn input(&mut self, name: &str, span: Span) -> Option<NodeId> {
        let inputs = self.network.inputs.clone();
        if let Some(node) = inputs.iter().find(|node| self.network.graph[**node].name == name) {
            return Some(*node);
        }
        let mut unknown =
            Diagnostic::new(Code::E0201, format!("the network has no input `{name}`"), span, "unknown input");
        let known: Vec<&str> = inputs.iter().map(|node| self.network.graph[*node].name.as_str()).collect();
        unknown.help = closest(name, known.iter().copied())
            .map(|near| format!("did you mean `{near}`?"))
            .or_else(|| (!known.is_empty()).then(|| format!("its inputs: {}", known.join(", "))));
        self.closer.diagnostics.push(unknown);
        None
    }

    /// Every input has data; a network without inputs is shown nothing.
    pub fn all_fed(&mut self, phase: &Phase) -> Option<()> {
        let missing = self.network.inputs.iter().find(|node| phase.inputs.iter().all(|(fed, _)| fed != *node)).copied();
        if let Some(node) = missing {
            let name = self.network.graph[node].name.clone();
            let message = format!("the input `{name}` has no data");
            self.error(Code::E0413, message, phase.span, format!("write `{name}: …` between the braces"));
            return None;
        }
        if phase.kind != PhaseKind::Run && phase.samples == 0 {
            self.error(Code::E0413, "nothing is presented", phase.span, "no samples");
            return None;
        }
        Some(())
    }

    /// A file given on the command line for an input or for data of this name.
    fn given(&mut self, name: &str, span: Span) -> Option<Option<Given>> {
        let Some((_, given)) = self.options.inputs.iter().find(|(input, _)| input == name) else { return Some(None) };
        // `FILE:ARRAY`; a path may hold a colon, too, but not in its last part.
        let (path, array) = match given.rsplit_once(':') {
            Some((path, array)) if !array.contains(['/', '\\']) => (path.to_string(), Some(array.to_string())),
            _ => (given.clone(), None),
        };
        match self.files.data(&path) {
            Ok(file) => Some(Some(Given { file, path, array })),
            Err(problem) => {
                self.unreadable(problem, span, "replaced by `--input`");
                None
            }
        }
    }

    /// What an input is fed from the command line in place of the program's data.
    fn replaced(&mut self, name: &str, span: Span) -> Option<Option<Array>> {
        let Some(Given { file, path, array }) = self.given(name, span)? else { return Some(None) };
        let wanted = array.as_deref().unwrap_or(name);
        let only = array.is_none() && file.arrays.len() == 1;
        let Some(index) = file.arrays.iter().position(|array| array.name == wanted || only) else {
            let known: Vec<&str> = file.arrays.iter().map(|array| array.name.as_str()).collect();
            let message = format!("{path} has no array `{wanted}`");
            let unknown = Diagnostic::new(Code::E0209, message, span, "replaced by `--input`");
            self.closer.diagnostics.push(unknown.with_help(format!("it holds {}", known.join(", "))));
            return None;
        };
        self.stored(&file, index, path, span).map(Some)
    }

    pub fn value_data(&mut self, node: NodeId, name: &str, value: &Ast, phase: &mut Phase) -> Option<InputData> {
        let array = match self.replaced(name, value.span)? {
            Some(given) => given,
            None => self.presented(value)?,
        };
        if array.dimension != Dimension::NONE {
            self.error(Code::E0302, format!("`{name}` takes plain numbers"), value.span, "these have a dimension");
            return None;
        }
        let port = self.network.graph[node].clone();
        if phase.every.iter().any(|(of, _)| *of == node) {
            // A run is one sample.
            let run = phase.kind == PhaseKind::Run;
            let rows = array.shape.get(usize::from(!run)).copied().unwrap_or(1);
            let each: usize = array.shape.iter().skip(if run { 1 } else { 2 }).product();
            let len: usize = port.shape.iter().product();
            if each != len || rows == 0 {
                let message = format!("`{}` is {:?}, but `{name}` is {:?}", array.name, array.shape, port.shape);
                let wrong = Diagnostic::new(Code::E0308, message, value.span, "does not fit");
                let axes = if run { "[rows, …]" } else { "[samples, rows, …]" };
                self.closer.diagnostics.push(wrong.with_help(format!("{axes} is needed: {len} numbers a row")));
                return None;
            }
            self.network.stepped.insert(node);
            let first = if run { 1 } else { array.shape[0] };
            if phase.samples > 0 && phase.samples != first {
                let message = format!("`{}` has {first} samples, the others have {}", array.name, phase.samples);
                self.error(Code::E0310, message, value.span, "another number of samples");
                return None;
            }
            phase.samples = first;
            return Some(InputData::Values(self.keep_later(array, value.span)));
        }
        if let Some(steps) = self.steps_of(&array, &port.shape) {
            let step = self.plan.step.unwrap_or(super::experiment::DEFAULT_STEP);
            let seconds = steps as f64 * step;
            if phase.duration.is_some_and(|other| other != seconds) {
                let message = format!("`{name}` has {steps} steps a sample, another input has others");
                self.error(Code::E0310, message, value.span, "another number of steps");
                return None;
            }
            phase.duration = Some(seconds);
            self.network.stepped.insert(node);
            let mut port_and_steps = vec![steps];
            port_and_steps.extend(&port.shape);
            phase.samples = self.samples_of(&array, &port_and_steps, phase, value.span, "steps")?;
            return Some(InputData::Values(self.keep_later(array, value.span)));
        }
        let samples =
            self.samples_of(&array, &port.shape, phase, value.span, &format!("`{name}` is {:?}", port.shape))?;
        phase.samples = samples;
        Some(InputData::Values(self.keep_later(array, value.span)))
    }

    /// `every 1 ms`, behind the data of an input.
    fn row_time(&mut self, every: &Ast, spikes: bool) -> Option<f64> {
        if spikes || !self.has_time() || self.only_states() {
            let message = match spikes {
                true => "spikes say their own times",
                false => "rows are shown one after the other where the network has neurons or devices",
            };
            self.error(Code::E0305, message, every.span, "no time to say here");
            return None;
        }
        self.duration(every)
    }

    /// Steps of a sample, in data with one axis more than the input, of a network that takes steps.
    fn steps_of(&self, array: &Array, shape: &[usize]) -> Option<usize> {
        let [_, steps, each @ ..] = &array.shape[..] else { return None };
        let fits = each == shape || (each.is_empty() && shape.iter().product::<usize>() == 1);
        let held = each.is_empty() && *steps == 1;
        (self.only_states() && fits && !held && *steps > 0).then_some(*steps)
    }

    /// `for 50 ms`, or `for 20 steps`.
    fn shown_for(&mut self, duration: &Ast, phase: &mut Phase) -> Option<()> {
        let seconds = self.duration(duration)?;
        if phase.duration.is_some_and(|steps| steps != seconds) {
            self.error(Code::E0310, "the data have another number of steps", duration.span, "leave this out");
            return None;
        }
        phase.duration = Some(seconds);
        Some(())
    }

    /// Data, or one number for a run.
    fn presented(&mut self, value: &Ast) -> Option<Array> {
        if self.kind(value) == super::signal::Kind::Data {
            return self.array(value);
        }
        let names = self.names.clone();
        let term = self.closer.close(&names, self.file, value)?;
        let Some(number) = term.value() else {
            self.error(Code::E0305, "data are needed here", value.span, "not known before the run");
            return None;
        };
        let data = nmc_program::TensorData::F64(vec![number]);
        Some(Array::known(Tensor { name: String::from("number"), shape: vec![1], data }, term.dimension))
    }

    /// How often an output of such a shape is taken of a sample, where something is given for it: [samples, steps, …] is for each step.
    pub fn taken(&mut self, array: &Array, shape: &[usize], phase: &mut Phase, span: Span) -> Option<Vec<usize>> {
        let steps = self.steps_of(array, shape);
        let taken = steps.unwrap_or(1);
        let step = self.plan.step.unwrap_or(super::experiment::DEFAULT_STEP);
        let of_sample = phase.duration.map(|seconds| nmc_program::steps(seconds, step) as usize);
        let (message, label) = match (steps, of_sample) {
            (Some(_), None) => ("the steps of a sample are not known here", "say `for 20 steps` before"),
            (Some(steps), Some(of_sample)) if steps != of_sample => {
                ("samples have another number of steps", "not one for each step")
            }
            _ if phase.taken > 0 && phase.taken != taken => {
                ("outputs are taken of each step, or of the last", "not so before")
            }
            _ => {
                phase.taken = taken;
                return Some(steps.into_iter().chain(shape.iter().copied()).collect());
            }
        };
        self.error(Code::E0310, message, span, label);
        None
    }

    /// The number of samples in an array [samples, …shape], the same for all of a phase.
    pub fn samples_of(
        &mut self,
        array: &Array,
        shape: &[usize],
        phase: &Phase,
        span: Span,
        what: &str,
    ) -> Option<usize> {
        let len: usize = shape.iter().product();
        let first = array.shape.first().copied().unwrap_or(1);
        let each: usize = array.shape.iter().skip(1).product();
        if each != len || first == 0 {
            let needed = format!("[samples, {}] is needed", shown(shape));
            let wrong = if array.shape == shape {
                let message =
                    format!("`{}` is {:?}, a single sample without the axis of samples", array.name, array.shape);
                let help = format!("{needed}: of data with that axis take a range, `x[0..1]` in place of `x[0]`");
                Diagnostic::new(Code::E0308, message, span, "an axis is missing").with_help(help)
            } else {
                let message = format!("`{}` is {:?}, but {what}", array.name, array.shape);
                let help = format!("{needed}: {len} numbers a sample");
                Diagnostic::new(Code::E0308, message, span, "does not fit").with_help(help)
            };
            self.closer.diagnostics.push(wrong);
            return None;
        }
        let before = if phase.kind == PhaseKind::Run { 1 } else { phase.samples };
        if before > 0 && before != first {
            let message = format!("`{}` has {first} samples, the others have {before}", array.name);
            let mut wrong = Diagnostic::new(Code::E0310, message, span, "another number of samples");
            if phase.kind == PhaseKind::Run {
                wrong.help = Some(String::from(
                    "rows that follow one another in time: say how long each is shown, `… every 1 ms`",
                ));
            }
            self.closer.diagnostics.push(wrong);
            return None;
        }
        Some(first)
    }

    /// `data name = …`
    pub fn name_data(&mut self, name: &Ident, value: &Ast) {
        if let Some(data) = self.data_called(&name.text, value) {
            self.values.insert(name.text.clone(), super::signal::Value::Data(data));
        }
    }

    /// Data that have this name, or another file that is given for it.
    pub fn data_called(&mut self, name: &str, value: &Ast) -> Option<Data> {
        match self.given(name, value.span)? {
            Some(Given { file, path, array: None }) => Some(Data::File(file, path)),
            Some(Given { path, array: Some(array), .. }) => {
                let message = format!("data take a whole file: {path}, not {path}:{array}");
                self.error(Code::E0209, message, value.span, "replaced by `--input`");
                None
            }
            None => self.data(value),
        }
    }
}

fn shown(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

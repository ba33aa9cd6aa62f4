//! A run as something with a state: it can be stepped, saved, and restored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use nmc_program::{Precision, Program, Tensor};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::energy::Counts;
use crate::engine::{BATCH, Engine, Pause, is_independent, kernels};
use crate::interpreter::Computable;
use crate::jit::product::Product;
use crate::lanes::{Lanes, Place, Shared};
use crate::learn::Progress;
use crate::maps::{self, Map};
use crate::matrix::Fitted;
use crate::memory;
use crate::record::{self, SampleRecord};
use crate::state::Kernels;
use crate::{EngineKind, Recording, Results, RunError, RunOptions};

/// What can be refused before a run begins: a damaged image, and one that takes too much memory.
pub fn check(program: &Program, options: &RunOptions) -> Result<(), RunError> {
    if let Some(problem) = program.verify().into_iter().next() {
        let message = format!("this program image is damaged: {problem}");
        return Err(RunError {
            code: "E0702",
            message,
            help: Some(String::from("build it again from its source")),
            place: None,
        });
    }
    let side_by_side = program.phases.iter().any(|phase| is_independent(program, phase));
    memory::check(program, if side_by_side { BATCH * options.threads.max(1) } else { 1 }, options.memory)
}

/// A program with its kernels, made once for any number of runs.
pub struct Compiled<'a> {
    program: &'a Program,
    kernels: Made<'a>,
    seconds: f64,
}

enum Made<'a> {
    F32(Arc<dyn Kernels<f32> + 'a>),
    F64(Arc<dyn Kernels<f64> + 'a>),
}

impl<'a> Compiled<'a> {
    /// Makes the kernels; the program was checked.
    pub fn new(program: &'a Program, engine: EngineKind) -> Result<Self, RunError> {
        let begin = Instant::now();
        let kernels = match program.precision {
            Precision::F32 => Made::F32(kernels(program, engine)?),
            Precision::F64 => Made::F64(kernels(program, engine)?),
        };
        Ok(Compiled { program, kernels, seconds: begin.elapsed().as_secs_f64() })
    }

    /// Runs it from its start to its end.
    pub fn run(&self, options: &RunOptions) -> Result<Results, RunError> {
        let mut simulation = Simulation::of(self, options)?;
        while !simulation.advance(&|| false)? {}
        Ok(simulation.results())
    }
}

/// Runs a program from its start to its end.
pub fn run(program: &Program, options: &RunOptions) -> Result<Results, RunError> {
    check(program, options)?;
    Compiled::new(program, options.engine)?.run(options)
}

/// A program being run, in its precision.
pub struct Simulation<'a>(Box<dyn Steps + 'a>);

impl<'a> Simulation<'a> {
    /// Compiles the kernels, builds the connections and programs the cells.
    pub fn new(program: &'a Program, options: &'a RunOptions<'a>) -> Result<Self, RunError> {
        check(program, options)?;
        Simulation::of(&Compiled::new(program, options.engine)?, options)
    }

    /// The same with kernels that are compiled already.
    pub fn of(compiled: &Compiled<'a>, options: &'a RunOptions<'a>) -> Result<Self, RunError> {
        check(compiled.program, options)?;
        let (program, seconds) = (compiled.program, compiled.seconds);
        Ok(Simulation(match &compiled.kernels {
            Made::F32(kernels) => Box::new(Engine::load(program, options, kernels.clone(), seconds)?),
            Made::F64(kernels) => Box::new(Engine::load(program, options, kernels.clone(), seconds)?),
        }))
    }

    /// Goes on until all phases are done (`true`), or until `pause` wants to stop where the state can be saved: it is asked
    /// after every batch of independent samples, and now and then in between the ticks of others. A step is done in any
    /// case, so `&|| true` goes step by step. Where it stops has no influence on the results.
    pub fn advance(&mut self, pause: Pause) -> Result<bool, RunError> {
        let begin = Instant::now();
        let done = self.0.advance(pause);
        self.0.took(begin.elapsed().as_secs_f64());
        done
    }

    /// Takes out what was recorded so far; [`Simulation::results`] has what comes after, and what is made up of whole samples.
    pub fn recorded(&mut self) -> Vec<Recording> {
        self.0.recorded()
    }

    /// The whole state, for [`Simulation::restore`].
    pub fn save(&self) -> Vec<u8> {
        self.0.save()
    }

    /// Takes up a state that was saved with the same program and options, whatever the number of threads.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), RunError> {
        self.0.restore(state).ok_or_else(|| damaged("its state is none of this program"))
    }

    /// Where current goes in the arrays whose wires resist, when all phases are done.
    pub fn maps(&self) -> Vec<Map> {
        self.0.maps()
    }

    /// States and weights that it leaves for another program, when all phases are done.
    pub fn left(&self) -> Vec<Tensor> {
        self.0.left()
    }

    /// What came of it, when all phases are done.
    pub fn results(self) -> Results {
        self.0.results()
    }
}

/// A checkpoint that cannot be used.
pub fn damaged(why: &str) -> RunError {
    let message = format!("this is no whole checkpoint: {why}");
    RunError { code: "E0710", message, help: Some(String::from("run from the start, without --resume")), place: None }
}

/// A simulation in one precision or another.
trait Steps: Send {
    fn advance(&mut self, pause: Pause) -> Result<bool, RunError>;
    fn took(&mut self, seconds: f64);
    fn recorded(&mut self) -> Vec<Recording>;
    fn save(&self) -> Vec<u8>;
    fn restore(&mut self, state: &[u8]) -> Option<()>;
    fn maps(&self) -> Vec<Map>;
    fn left(&self) -> Vec<Tensor>;
    fn results(self: Box<Self>) -> Results;
}

impl<T: Computable + Product + Serialize + DeserializeOwned> Steps for Engine<'_, T> {
    fn advance(&mut self, pause: Pause) -> Result<bool, RunError> {
        Engine::advance(self, pause)
    }

    fn took(&mut self, seconds: f64) {
        self.state.results.run_seconds += seconds;
    }

    fn recorded(&mut self) -> Vec<Recording> {
        let program = self.shared.program;
        let State { phase, records, recorded, results, .. } = &mut self.state;
        if let Some(phase) = program.phases.get(*phase) {
            record::drain(program, phase, (records, true), *recorded, &mut results.recordings);
        }
        let mut taken = record::taken(program, &mut results.recordings);
        record::joined(program, |index| self.state.main.carrier(&self.shared, index), &mut taken);
        taken
    }

    fn left(&self) -> Vec<Tensor> {
        Engine::left(self)
    }

    fn save(&self) -> Vec<u8> {
        // Writing into memory fails for types that cannot be told, which these are not.
        postcard::to_stdvec(&(&self.shared.fitted, &self.state)).unwrap_or_default()
    }

    fn restore(&mut self, state: &[u8]) -> Option<()> {
        let (fitted, state): (Vec<Fitted>, State<T>) = postcard::from_bytes(state).ok()?;
        let whole = |fitted: &Fitted| Some(fitted.weights.len()) == fitted.outputs.checked_mul(fitted.inputs);
        if fitted.len() != self.shared.fitted.len() || !fitted.iter().all(whole) || !state.is_of(self) {
            return None;
        }
        let seconds = (self.state.results.jit_seconds, self.state.results.load_seconds);
        (self.shared.fitted, self.state) = (fitted, state);
        self.state.main.take_up(&self.shared);
        (self.state.results.jit_seconds, self.state.results.load_seconds) = seconds;
        let batches: usize = self.state.batches.values().map(|(records, _)| records.len()).sum();
        let phase = self.shared.program.phases.get(self.state.phase);
        let learned = phase.map_or(0, |phase| self.state.learned.presented(phase));
        let done = self.state.presented as usize + self.state.records.len() + batches + learned;
        self.done_samples.store(done, Ordering::Relaxed);
        self.fold();
        Some(())
    }

    fn maps(&self) -> Vec<Map> {
        maps::maps(&self.shared, &self.state.main.buffers, &self.initial)
    }

    fn results(self: Box<Self>) -> Results {
        Engine::results(*self)
    }
}

/// All that changes in a run, besides the weights that were fitted.
#[derive(Serialize, Deserialize)]
pub struct State<T> {
    /// The phase under way.
    pub phase: usize,
    /// Of the sample under way in it: where it stands, and how many of its ticks are done.
    pub sample: Option<(Place, u64)>,
    /// Samples presented in the phases before.
    pub presented: u64,
    /// How often cells were programmed.
    pub programmed: u64,
    /// The lane of series, of independent samples in programs that learn, and of what all lanes share.
    pub main: Lanes<T>,
    /// The state of the series, while independent samples have the lane.
    pub aside: Option<Lanes<T>>,
    /// Whether there is a series to go on with.
    pub going: bool,
    /// After a `run`: its number, and the ticks it had.
    pub ran: Option<(u64, u64)>,
    /// Ticks of the series that were recorded.
    pub heard: u64,
    /// What the samples of the phase left, in order.
    pub records: Vec<SampleRecord>,
    /// What batches of independent samples left, by first sample, as they come.
    pub batches: BTreeMap<usize, (Vec<SampleRecord>, Counts)>,
    pub counts: Counts,
    /// How far a phase that learns has come.
    pub learned: Progress,
    /// Ticks and samples of the phases so far that record.
    pub recorded: (u64, usize),
    /// What is known already.
    pub results: Results,
}

impl<T: Computable + Product> State<T> {
    /// At the start.
    pub fn new(program: &Program, main: Lanes<T>) -> Self {
        let results = Results {
            latency_s: program.costs.latency_s,
            recordings: record::recordings(program),
            ..Results::default()
        };
        State {
            phase: 0,
            sample: None,
            presented: 0,
            programmed: 0,
            main,
            aside: None,
            going: false,
            ran: None,
            heard: 0,
            records: Vec::new(),
            batches: BTreeMap::new(),
            counts: Counts::new(program),
            learned: Progress::default(),
            recorded: (0, 0),
            results,
        }
    }

    /// Whether this, read from a file, is a state of the program that `engine` runs, and can be gone on with.
    fn is_of(&self, engine: &Engine<T>) -> bool {
        let (program, shared, fresh) = (engine.shared.program, &engine.shared, &engine.state);
        let alike = self.main.is_like(&fresh.main, shared, false)
            && self.aside.as_ref().is_none_or(|aside| aside.is_like(&fresh.main, shared, true))
            && self.counts.is_like(&fresh.counts)
            && record::are_like(&self.results.recordings, &fresh.results.recordings);
        let Some(phase) = program.phases.get(self.phase) else {
            let over =
                self.learned == Progress::default() && self.phase == program.phases.len() && self.sample.is_none();
            return alike && over && self.records.is_empty() && self.batches.is_empty();
        };
        let lens = |array: nmc_program::ArrayId| fresh.main.buffers[array.index()].stride;
        let records = |records: &[SampleRecord]| record::are_of(program, phase, lens, records);
        let batches = self.batches.iter().all(|(&row, (left, counts))| {
            let all = row % BATCH == 0 && row < phase.samples && left.len() == BATCH.min(phase.samples - row);
            all && records(left) && counts.is_like(&fresh.counts)
        });
        let in_series = !is_independent(program, phase);
        let sample = self.sample.is_none_or(|(place, within)| {
            in_series && self.records.len() == place.row + 1 && within <= u64::from(phase.ticks)
        });
        let few = self.records.len() <= if in_series { phase.samples } else { 0 };
        alike && self.learned.is_of(phase) && batches && sample && few && records(&self.records)
    }
}

impl<T: Computable> Lanes<T> {
    /// Whether this, read from a file, is of the program that `fresh` is of; `own`: without what lanes share.
    fn is_like(&self, fresh: &Self, shared: &Shared<T>, own: bool) -> bool {
        let buffers = self.buffers.iter().zip(&fresh.buffers).all(|(buffer, fresh)| {
            let shape = (fresh.data.len(), fresh.stride, fresh.per_lane);
            let wanted = if own && !fresh.per_lane { (0, 0, false) } else { shape };
            (buffer.data.len(), buffer.stride, buffer.per_lane) == wanted
        });
        let groups = self.groups.iter().flatten().zip(fresh.groups.iter().flatten()).zip(&shared.program.groups);
        let mut groups = groups.map(|((group, fresh), of)| group.is_like(fresh, of.len));
        let under_way = self.under_way.iter().flatten().zip(fresh.under_way.iter().flatten()).zip(&shared.carriers);
        let mut under_way = under_way.map(|((ring, fresh), carrier)| ring.is_like(fresh, carrier.reached()));
        let lens = |lanes: &Self| {
            let groups: Vec<usize> = lanes.groups.iter().map(Vec::len).collect();
            let under_way: Vec<usize> = lanes.under_way.iter().map(Vec::len).collect();
            (lanes.buffers.len(), groups, under_way, lanes.lanes, lanes.used)
        };
        let sources = self.rewired.iter().all(|(&index, sources)| {
            let Some(connection) = shared.program.connections.get(index) else { return false };
            let range = connection.source_start..connection.source_start + connection.source_len;
            let wiring = &shared.carriers[index].wiring;
            // Of no other connection are the sources listed.
            wiring.sources.len() == sources.len() && sources.iter().all(|source| range.contains(&(*source as usize)))
        });
        let counts = sources && (own || self.counts.is_like(&fresh.counts));
        lens(self) == lens(fresh) && buffers && groups.all(|alike| alike) && under_way.all(|alike| alike) && counts
    }
}
